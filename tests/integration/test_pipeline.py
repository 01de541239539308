"""Whole runs through real processes: broker, index, critic, generators, filter, trainer.

The models are tiny and untrained, so what they write is noise; the layers are set to let
some of it through. What is tested is the way of the data.
"""

from __future__ import annotations

import hashlib
import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml
from transformers import AutoConfig

from services.checkpoints.digest import digest
from services.index.build import build_index
from services.trainer.lineage import chain
from stillhouse import corpus
from stillhouse.errors import InvalidArgument, Unavailable
from stillhouse.generator.types import ModelPointer
from stillhouse.local.stack import Stack, StackConfig, running
from stillhouse.recipe import Compression, Constraints, Control, Recipe, Stop, Student
from stillhouse.trainer.client import TrainerClient
from stillhouse.trainer.types import Run, RunState, Stage
from tests.support.corpus import write_corpus
from tests.support.tiny_model import make_tiny_model, make_tiny_seq2seq

pytestmark = pytest.mark.timeout(200)

_LENIENT = {
    "brevity": {"ratio": 5.0, "min_words": 2, "max_words": 1000},
    "novelty": {"verbatim": 1.0, "max_share": 1.0, "max_run": 1000},
    "faithfulness": {"pmi": -0.02, "logprob": -1e9, "weakest": -1e9, "gain": -1e9},
    "diversity": {"keep": 6},
}
_LAYERS = [{"name": name, "thresholds": thresholds} for name, thresholds in _LENIENT.items()]


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> ModelPointer:
    return make_tiny_model(tmp_path_factory.mktemp("teacher"))


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("corpus") / "corpus.jsonl", 60)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory, documents: Path, teacher: ModelPointer) -> Path:
    folder = tmp_path_factory.mktemp("index") / "corpus"
    texts = [one.text for one in corpus.load(make_recipe(documents, teacher).corpus)]
    build_index(texts, Path(teacher.uri) / "tokenizer.json", folder)
    return folder


def make_recipe(documents: Path, teacher: ModelPointer, **generation: Any) -> Recipe:
    values = {
        "name": "test",
        "seed": 5,
        "generations": 2,
        "corpus": {"source": str(documents), "min_sentences": 1, "held_out": 4},
        "teacher": {"model": teacher.uri},
        "generation": {
            "samples": 8,
            "documents_per_batch": 2,
            "batches_in_flight": 3,
            "max_new_tokens": 40,
            "target": 60,
            "budget": 160,
        }
        | generation,
        "filter": {"layers": _LAYERS},
        "student": {"epochs": 1, "batch_size": 8},
        "evaluation": {"resamples": 100},
    }
    return Recipe.parse(yaml.safe_dump(values))


@pytest.fixture(scope="module")
def stack(
    tmp_path_factory: pytest.TempPathFactory, teacher: ModelPointer, index: Path
) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("stack")
    config = StackConfig(
        teacher=teacher,
        index_folder=index,
        runs_folder=folder / "runs",
        models_folder=folder / "models",
        logs_folder=folder / "logs",
        generators=2,
        threads=1,
        ack_wait=2.0,
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STILLHOUSE_SHARD_ROWS", "24")  # several checkpoints in a generation
        with running(config) as one:
            yield one


@pytest.fixture(scope="module")
def trainer(stack: Stack) -> Iterator[TrainerClient]:
    with TrainerClient(stack.targets["trainer"]) as one:
        yield one


@pytest.fixture(scope="module")
def calm(trainer: TrainerClient, documents: Path, teacher: ModelPointer) -> Run:
    """A run that nothing disturbs."""
    recipe = make_recipe(documents, teacher).to_yaml()
    return finish(trainer, trainer.create_run(recipe, "calm").id)


def candidates(run: Run, generation: int) -> set[tuple[str, int, str]]:
    """Source, index and text of everything judged; ids differ between runs by design."""
    rows = verdicts(run, generation)
    assert len({row["id"] for row in rows}) == len(rows)
    return {(row["source_id"], row["sample_index"], row["text"]) for row in rows}


def verdicts(run: Run, generation: int) -> list[dict[str, Any]]:
    path = Path(run.folder) / "verdicts" / f"gen-{generation}.parquet"
    return list(pq.read_table(path).to_pylist())


def dataset(run: Run, generation: int) -> list[tuple[str, str]]:
    path = Path(run.folder) / "dataset" / f"gen-{generation}.parquet"
    return [(row["source_id"], row["summary"]) for row in pq.read_table(path).to_pylist()]


def watch(trainer: TrainerClient, run_id: str, look: Callable[[Run], bool]) -> Run:
    """Follow a run until `look` says so or it ends."""
    for run in trainer.watch_run(run_id):
        if run.ended or look(run):
            return run
    raise AssertionError("the stream ended before the run")


def finish(trainer: TrainerClient, run_id: str) -> Run:
    ended = watch(trainer, run_id, lambda _: False)
    assert ended.state is RunState.SUCCEEDED, ended.message
    return ended


def judged(run: Run) -> int:
    return sum(one.judged for one in run.progress)


def patiently(call: Callable[[], Run]) -> Run:
    """Call again while the channel finds its way back to a service that was restarted."""
    for _ in range(100):
        try:
            return call()
        except Unavailable:
            time.sleep(0.1)
    return call()


def kill(stack: Stack, name: str) -> None:
    os.kill(next(one.pid for one in stack.children if one.name == name), signal.SIGKILL)


def same_work(one: Run, other: Run, generations: int) -> None:
    for generation in range(1, generations + 1):
        assert candidates(one, generation) == candidates(other, generation)
        assert dataset(one, generation) == dataset(other, generation)
        assert dataset(one, generation)


def test_results_are_whole(
    trainer: TrainerClient, calm: Run, documents: Path, teacher: ModelPointer
) -> None:
    folder = Path(calm.folder)
    recipe = Recipe.parse((folder / "recipe.yaml").read_text())
    assert recipe == make_recipe(documents, teacher)
    report = (folder / "report.md").read_text()
    for system in ("teacher", "student gen 1", "student gen 2", "lead sentence", "copy"):
        assert f"| {system} | " in report
    held_out = pq.read_table(folder / "documents.parquet", filters=[("held_out", "=", True)])
    for generation, progress in enumerate(calm.progress, start=1):
        rows = verdicts(calm, generation)
        assert progress.judged == progress.layers[0].seen == len(rows)
        assert progress.accepted == progress.layers[-1].passed == len(dataset(calm, generation))
        assert {row["source_id"] for row in rows}.isdisjoint(held_out["id"].to_pylist())
        assert all(row["reason"] for row in rows if not row["accepted"])
        assert (folder / f"student-gen{generation}" / "model.safetensors").is_file()
    assert not (folder / "verdicts" / "parts").exists()


def test_the_lineage_leads_from_the_last_student_to_the_first_teacher(
    calm: Run, teacher: ModelPointer
) -> None:
    links = chain(Path(calm.folder) / "student-gen2")
    assert [link.name for link in links] == ["student-gen2", "student-gen1", teacher.uri]
    assert [link.problems for link in links] == [(), (), ()]
    assert links[-1].digest == teacher.digest
    for generation, link in zip((2, 1), links, strict=False):
        assert link.manifest is not None
        assert link.manifest.dataset.rows == len(dataset(calm, generation))
        assert link.manifest.teacher.digest == verdicts(calm, generation)[0]["model_digest"]
        assert link.manifest.seeds["generation"] == verdicts(calm, generation)[0]["seed"]


def test_generations_use_fresh_documents_and_another_teacher(calm: Run) -> None:
    first, second = (verdicts(calm, generation) for generation in (1, 2))
    sources = [{row["source_id"] for row in rows} for rows in (first, second)]
    assert sources[0].isdisjoint(sources[1])
    digests = [{row["model_digest"] for row in rows} for rows in (first, second)]
    assert [len(one) for one in digests] == [1, 1]
    assert digests[0] != digests[1]


def test_a_run_without_fresh_documents_ends_and_says_so(
    trainer: TrainerClient, documents: Path, teacher: ModelPointer
) -> None:
    recipe = make_recipe(documents, teacher, samples=1, documents_per_batch=16, target=99)
    run = finish(trainer, trainer.create_run(recipe.to_yaml(), "exhausted").id)
    assert run.stop_reason == "generation 2 finds no fresh documents: all 56 are used"
    assert run.stop_reason in run.message
    assert {row["source_id"] for row in verdicts(run, 1)} == {
        row["id"]
        for row in pq.read_table(Path(run.folder) / "documents.parquet").to_pylist()
        if not row["held_out"]
    }
    assert f"- Ended early: {run.stop_reason}." in (Path(run.folder) / "report.md").read_text()


def test_a_stop_rule_makes_a_generation_the_last(
    trainer: TrainerClient, documents: Path, teacher: ModelPointer
) -> None:
    recipe = make_recipe(documents, teacher, target=16, budget=32)
    recipe = recipe.model_copy(
        update={"generations": 3, "expert_rounds": 2, "stop": Stop(pass_rate=1.0)}
    )
    run = finish(trainer, trainer.create_run(recipe.to_yaml(), "stale").id)
    assert "the pass rate no longer rises" in run.stop_reason
    first, second = run.progress
    assert (first.expert, second.expert) == (True, False)  # the last one trains a student
    assert first.diversity is None
    assert second.diversity
    assert second.diversity.samples == min(first.accepted, second.accepted)
    folder = Path(run.folder)
    assert (folder / "student-gen2" / "model.safetensors").is_file()
    assert not (folder / "student-gen3").exists()
    report = (folder / "report.md").read_text()
    assert f"- Ended early: {run.stop_reason}." in report
    assert f"Diversity of {second.diversity.samples} accepted samples" in report


def test_expert_rounds_train_the_teacher_itself(
    trainer: TrainerClient, documents: Path, teacher: ModelPointer
) -> None:
    """From its own weights; the students after it start from where the recipe says."""
    recipe = make_recipe(documents, teacher, target=16, budget=32).model_copy(
        update={"expert_rounds": 1, "student": Student(start="first")}
    )
    run = finish(trainer, trainer.create_run(recipe.to_yaml(), "experts").id)
    assert [one.expert for one in run.progress] == [True, False]
    student, expert, first = chain(Path(run.folder) / "student-gen2")
    assert student.manifest
    assert student.manifest.start
    assert (student.manifest.teacher.digest, student.manifest.start.digest) == (
        expert.digest,
        first.digest,
    )
    assert expert.manifest
    assert expert.manifest.start is None
    assert {row["model_digest"] for row in verdicts(run, 2)} == {expert.digest}


def test_another_seed_gives_other_candidates(
    trainer: TrainerClient, calm: Run, documents: Path, teacher: ModelPointer
) -> None:
    """That the same seed gives the same ones, the tests below show."""
    recipe = make_recipe(documents, teacher).model_copy(update={"generations": 1, "seed": 6})
    other = finish(trainer, trainer.create_run(recipe.to_yaml(), "other-seed").id)
    shared = candidates(calm, 1) & candidates(other, 1)  # an empty text may be drawn twice
    assert len(shared) < len(candidates(calm, 1)) / 10


def test_constraints_reach_the_candidates_and_the_verdicts(
    trainer: TrainerClient, documents: Path, teacher: ModelPointer
) -> None:
    recipe = make_recipe(documents, teacher, target=16, budget=32)
    constraints = Constraints(include=(("heap",), ("list", "lists")), exclude=("the",))
    recipe = recipe.model_copy(update={"generations": 1, "constraints": constraints})
    run = finish(trainer, trainer.create_run(recipe.to_yaml(), "constrained").id)
    rows = pq.read_table(Path(run.folder) / "verdicts" / "gen-1.parquet").to_pylist()
    assert run.progress[0].layers[0].name == "constraints"
    assert all(len(row["clauses"]) == 3 for row in rows)
    assert sum(all(row["clauses"]) for row in rows) > 0.8 * len(rows)
    for row in rows:
        violated = not all(row["clauses"])
        assert (row["reason"] == "constraints.unmet") == violated
        assert dict(row["scores"])["constraints.unmet"] == row["clauses"].count(False)


@pytest.fixture(scope="module")
def controlled_recipe(
    tmp_path_factory: pytest.TempPathFactory, documents: Path, teacher: ModelPointer
) -> Recipe:
    """Students are T5s of two layers, made of one of four, asked for lengths in turn."""
    start = make_tiny_seq2seq(tmp_path_factory.mktemp("start"), "t5", layers=4)
    student = Student(
        start=start.uri, layers=2, method="full", epochs=6, batch_size=4, save_steps=3,
        validation=0.2, balance=("source", "control"),
    )  # fmt: skip
    recipe = make_recipe(documents, teacher, target=16, budget=48, max_new_tokens=16)
    codes = ("Few words.", "Some words.", "Many words.")
    control = Control(length=(2.0, 6.0), length_codes=codes, unasked=0.1)
    return recipe.model_copy(update={"student": student, "control": control})


@pytest.fixture(scope="module")
def controlled(trainer: TrainerClient, controlled_recipe: Recipe) -> Run:
    return finish(trainer, trainer.create_run(controlled_recipe.to_yaml(), "controlled").id)


def test_students_of_another_kind_write_and_are_asked_for_buckets(controlled: Run) -> None:
    folder = Path(controlled.folder)
    config = AutoConfig.from_pretrained(folder / "student-gen2")
    assert (config.model_type, config.num_layers, config.num_decoder_layers) == ("t5", 2, 2)
    found = pq.read_table(folder / "evaluation" / "control.parquet").to_pylist()
    assert len(found) == 3 * 3 * 4  # systems, buckets, held-out documents
    assert {row["system"] for row in found} == {"teacher", "student gen 1", "student gen 2"}
    assert {(row["asked"], row["asked_low"]) for row in found} == {(0, 0.0), (1, 2.0), (2, 6.0)}
    assert controlled.held_out_loss > 0
    assert (controlled.tokens_per_second, controlled.eta_seconds) == (0, 0)
    assert not list(folder.glob("training/*"))


def test_a_trainer_that_dies_in_training_makes_the_same_student(
    stack: Stack, trainer: TrainerClient, controlled: Run, controlled_recipe: Recipe
) -> None:
    recipe = controlled_recipe.model_copy(update={"generations": 1})
    run = trainer.create_run(recipe.to_yaml(), "killed-in-training")
    now = watch(trainer, run.id, lambda now: now.stage is Stage.TRAINING and now.stage_done > 6)
    assert now.stage is Stage.TRAINING
    assert now.tokens_per_second > 0
    kill(stack, "trainer")
    stack.revive()
    stack.wait_serving()
    assert list(Path(now.folder).glob("training/gen-1/checkpoint-*/whole"))
    patiently(lambda: trainer.resume_run(run.id))
    ended = finish(trainer, run.id)
    students = [Path(one.folder) / "student-gen1" for one in (controlled, ended)]
    assert digest(students[0]) == digest(students[1])


def test_an_index_is_mixed_in_by_teacher_and_student(
    trainer: TrainerClient, calm: Run, documents: Path, index: Path, teacher: ModelPointer
) -> None:
    infgram = {"weight": 0.5, "sparse_weight": 0.9, "min_suffix": 2}
    recipe = make_recipe(documents, teacher, target=16, budget=32, infgram=infgram)
    run = finish(trainer, trainer.create_run(recipe.to_yaml(), "mixed").id)
    kept = Recipe.parse((Path(run.folder) / "recipe.yaml").read_text()).generation.infgram
    assert kept.digest == hashlib.sha256((index / "manifest.json").read_bytes()).hexdigest()
    for generation in (1, 2):
        assert candidates(run, generation)
    plain = {text for _, _, text in candidates(calm, 1)}
    # An untrained teacher knows no word; what it wrote with the index's help has many.
    words = [text.split() for _, _, text in candidates(run, 1)]
    corpus_words = set(documents.read_text().split())
    known = [word in corpus_words for text in words for word in text]
    others = [word in corpus_words for text in plain for word in text.split()]
    assert sum(known) / len(known) > 2 * sum(others) / len(others)


def test_an_index_that_is_not_there_is_refused(
    trainer: TrainerClient, documents: Path, teacher: ModelPointer
) -> None:
    infgram = {"sparse_weight": 0.9, "index": "other"}
    recipe = make_recipe(documents, teacher, infgram=infgram).to_yaml()
    with pytest.raises(InvalidArgument, match="mix in: corpus") as caught:
        trainer.create_run(recipe, "no-index")
    assert caught.value.field == "recipe.generation.infgram.index"


def test_outlines_reach_the_candidates_and_the_verdicts(
    trainer: TrainerClient, documents: Path, teacher: ModelPointer
) -> None:
    recipe = make_recipe(documents, teacher, target=16, budget=32, max_new_tokens=120)
    constraints = Constraints(compression=Compression(least=3))
    recipe = recipe.model_copy(update={"generations": 1, "constraints": constraints})
    run = finish(trainer, trainer.create_run(recipe.to_yaml(), "compressed").id)
    rows = pq.read_table(Path(run.folder) / "verdicts" / "gen-1.parquet").to_pylist()
    texts = {one.id: one.text for one in corpus.load(recipe.corpus)}
    assert all(len(row["clauses"]) == 1 for row in rows)
    kept = [row for row in rows if row["clauses"][0]]
    assert len(kept) > 0.8 * len(rows)
    for row in kept:
        known = set(re.findall(r"\w+", texts[row["source_id"]].lower())) | {"a", "an", "the"}
        assert set(re.findall(r"\w+", row["text"].lower())) <= known


def test_candidates_are_listed_with_their_verdicts(trainer: TrainerClient, calm: Run) -> None:
    accepted = list(trainer.list_candidates(calm.id, accepted=True))
    rejected = list(trainer.list_candidates(calm.id, accepted=False))
    assert len(accepted) == sum(one.accepted for one in calm.progress)
    assert len(accepted) + len(rejected) == judged(calm)
    assert all("faithfulness.pmi" in one.scores for one in accepted)


def test_killing_a_generator_changes_nothing(
    stack: Stack, trainer: TrainerClient, calm: Run, documents: Path, teacher: ModelPointer
) -> None:
    """The killed one stays dead until the end; the other does its work."""
    run = trainer.create_run(make_recipe(documents, teacher).to_yaml(), "killed")
    now = watch(trainer, run.id, lambda now: judged(now) > 0)
    assert now.stage is Stage.COLLECTING
    kill(stack, "generator-2")
    killed = finish(trainer, run.id)
    stack.revive()
    same_work(calm, killed, generations=2)
    assert [(p.judged, p.accepted) for p in calm.progress] == [
        (p.judged, p.accepted) for p in killed.progress
    ]


def test_every_part_may_die_once_and_the_result_is_the_same(
    stack: Stack, trainer: TrainerClient, calm: Run, documents: Path, teacher: ModelPointer
) -> None:
    """Filter, critic, index, broker and the trainer itself, one after the other."""
    recipe = make_recipe(documents, teacher).model_copy(update={"generations": 1})
    run = trainer.create_run(recipe.to_yaml(), "deaths")
    watch(trainer, run.id, lambda now: judged(now) > 0)
    for victim in ("filter", "critic", "index", "nats"):
        kill(stack, victim)
        stack.revive()
    kill(stack, "trainer")
    stack.revive()
    stack.wait_serving()
    assert patiently(lambda: trainer.get_run(run.id)).state is RunState.CANCELLED
    trainer.resume_run(run.id)
    same_work(calm, finish(trainer, run.id), generations=1)


def test_a_stopped_run_is_resumed_and_repeats_nothing(
    trainer: TrainerClient, calm: Run, documents: Path, teacher: ModelPointer
) -> None:
    recipe = make_recipe(documents, teacher).model_copy(update={"generations": 1})
    run = trainer.create_run(recipe.to_yaml(), "stopped")
    watch(trainer, run.id, lambda now: judged(now) > 0)
    stopped = trainer.cancel_run(run.id)
    assert stopped.state is RunState.CANCELLED
    # As single batches, or in shards of the buffer already.
    parts = list((Path(stopped.folder) / "verdicts").rglob("*.parquet"))
    before = {path: path.stat().st_mtime_ns for path in parts}
    assert before
    assert trainer.resume_run(run.id).state is RunState.RUNNING
    watch(trainer, run.id, lambda now: judged(now) > judged(stopped))
    after = {path: path.stat().st_mtime_ns for path in parts if path.exists()}
    assert after.items() <= before.items()
    resumed = finish(trainer, run.id)
    same_work(calm, resumed, generations=1)
