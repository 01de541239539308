"""Students of every kind, trained for real on tiny models; kills between steps leave no trace."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from services.checkpoints.digest import digest
from services.checkpoints.load import load
from services.generator.scoring import score
from services.trainer.students.pairs import Pair, split
from services.trainer.students.progress import Progress
from services.trainer.students.training import Job, train
from stillhouse.errors import Cancelled, FailedPrecondition
from stillhouse.generator.types import ModelPointer, ScoreItem
from stillhouse.recipe import Student
from tests.support.tiny_model import make_tiny_gpt2, make_tiny_model, make_tiny_seq2seq

PAIRS = [Pair(f"document {n}: a heap", "it is an array", f"d{n}") for n in range(8)]

MAKERS: dict[str, Callable[[Path], ModelPointer]] = {
    "llama": make_tiny_model,
    "gpt2": make_tiny_gpt2,
    "t5": lambda folder: make_tiny_seq2seq(folder, "t5"),
    "bart": lambda folder: make_tiny_seq2seq(folder, "bart"),
}


@pytest.fixture(scope="module")
def starts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ModelPointer]:
    return {name: make(tmp_path_factory.mktemp(name)) for name, make in MAKERS.items()}


@pytest.fixture
def job(starts: dict[str, ModelPointer], tmp_path: Path) -> Job:
    settings = Student(learning_rate=1e-2, epochs=20, batch_size=4, rank=8)
    return Job(starts["llama"], PAIRS, settings, 3, tmp_path / "student", tmp_path / "training")


def with_settings(job: Job, **changes: Any) -> Job:
    return replace(job, settings=Student(**{**job.settings.model_dump(), **changes}))


@dataclass
class Watch:
    """Takes a training's progress; asks it to stop, or kills it, after a step."""

    stop_after: int = 0
    kill_after: int = 0
    seen: list[Progress] = field(default_factory=list)

    def report(self, progress: Progress) -> None:
        self.seen.append(progress)
        if progress.step == self.kill_after:
            raise KeyboardInterrupt  # as abrupt as a process can be to itself

    def stopped(self) -> bool:
        return bool(self.stop_after) and len(self.seen) >= self.stop_after


def run(job: Job, stop_after: int = 0, kill_after: int = 0) -> list[Progress]:
    watch = Watch(stop_after, kill_after)
    train(job, watch.report, watch.stopped)
    return watch.seen


@pytest.mark.parametrize("method", ["lora", "full"])
@pytest.mark.parametrize("kind", MAKERS)
def test_the_student_learns_and_loads_as_a_plain_model(
    kind: str, method: str, starts: dict[str, ModelPointer], job: Job
) -> None:
    steps = run(with_settings(replace(job, start=starts[kind]), method=method))
    assert steps[-1].loss < 0.8 * steps[0].loss
    assert [one.step for one in steps] == list(range(1, 41))
    item = ScoreItem(PAIRS[0].prompt, PAIRS[0].target)
    before = score(load(starts[kind]), [item])[0].logprob
    student = load(ModelPointer(str(job.folder)))
    assert score(student, [item])[0].logprob > before + 1
    assert all("lora" not in name for name, _ in student.model.named_parameters())
    assert not list(job.folder.parent.glob(".student*"))


def test_the_same_seed_gives_the_same_student(job: Job) -> None:
    one = with_settings(job, epochs=2)
    two = replace(one, folder=job.folder.with_name("two"))
    run(one)
    run(two)
    assert digest(one.folder) == digest(two.folder)


@pytest.mark.parametrize("kind", ["llama", "t5"])  # a T5 draws dropout
@pytest.mark.parametrize("method", ["lora", "full"])
@pytest.mark.parametrize("way", ["stopped", "killed"])
def test_going_on_in_the_middle_of_a_pass_gives_the_same_weights(
    way: str, method: str, kind: str, starts: dict[str, ModelPointer], job: Job
) -> None:
    whole = with_settings(
        replace(job, pairs=PAIRS[:7], start=starts[kind]),
        method=method, epochs=3, batch_size=2, save_steps=2, weight_decay=0.1,
    )  # fmt: skip
    run(whole)
    broken = replace(
        whole, folder=job.folder.with_name("broken"), checkpoints=job.folder.with_name("other")
    )
    if way == "stopped":
        with pytest.raises(Cancelled):
            run(broken, stop_after=5)
        first = 7  # step 5 was seen during step 6, which a checkpoint holds
    else:
        with pytest.raises(KeyboardInterrupt):
            run(broken, kill_after=5)
        first = 5  # the last checkpoint holds step 4
    assert not broken.folder.exists()
    assert [one.step for one in run(broken)] == list(range(first, 12))
    assert digest(whole.folder) == digest(broken.folder)


def test_nothing_that_fits_is_said_and_leaves_nothing(job: Job) -> None:
    with pytest.raises(FailedPrecondition, match="accepted samples"):
        run(with_settings(job, max_tokens=3))
    assert not job.folder.exists()


def test_a_stop_leaves_no_student(job: Job) -> None:
    with pytest.raises(Cancelled):
        train(job, lambda _: None, lambda: True)
    assert not job.folder.exists()


def test_a_student_loads_without_this_package(job: Job) -> None:
    run(with_settings(job, epochs=1))
    assert AutoModelForCausalLM.from_pretrained(job.folder).num_parameters() > 0


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return dict(load(ModelPointer(str(folder))).model.state_dict())


def test_parts_of_a_batch_change_nothing_but_rounding(job: Job) -> None:
    pairs = [replace(pair, target=pair.target * (1 + n % 3)) for n, pair in enumerate(PAIRS)]
    whole = with_settings(replace(job, pairs=pairs), epochs=2, learning_rate=1e-3, method="full")
    parts = replace(with_settings(whole, accumulation=4), folder=job.folder.with_name("parts"))
    one, other = run(whole), run(parts)
    assert [step.loss for step in other] == pytest.approx([step.loss for step in one], rel=1e-4)
    found = weights(parts.folder)
    for name, weight in weights(whole.folder).items():
        torch.testing.assert_close(found[name], weight, atol=1e-3, rtol=1e-3)


WATCHED = [Pair(f"document {n}: a heap", text, f"d{n}") for n, text in enumerate("abcdefghijkl")]


def test_a_student_that_learns_nothing_more_stops_and_the_best_is_kept(job: Job) -> None:
    """Targets that nothing foretells: the loss on those that are watched soon rises."""
    watched = with_settings(
        replace(job, pairs=WATCHED),
        method="full", epochs=60, save_steps=2, validation=0.25, patience=3,
    )  # fmt: skip
    seen = run(watched)
    assert seen[-1].step < seen[-1].steps
    losses = {one.step: one.held_out_loss for one in seen if one.held_out_loss}
    taken = [losses[step] for step in sorted(losses) if step % 2 == 0]
    assert min(taken) < taken[-1]
    _, kept = split(WATCHED, 0.25, job.seed)
    student = load(ModelPointer(str(job.folder)))
    end = student.tokenizer.eos_token
    scores = score(student, [ScoreItem(pair.prompt, pair.target + end) for pair in kept])
    loss = -sum(one.logprob for one in scores) / sum(one.tokens for one in scores)
    assert loss == pytest.approx(min(taken), rel=1e-3)


def test_progress_tells_pace_and_end(job: Job) -> None:
    seen = run(with_settings(job, epochs=2))
    assert [one.steps for one in seen] == [4] * 4
    assert all(one.tokens_per_second > 0 for one in seen)
    assert [one.eta_seconds > 0 for one in seen] == [True, True, True, False]
    assert all(one.held_out_loss == 0.0 for one in seen)


def test_a_student_may_have_fewer_layers_than_its_start(job: Job, tmp_path: Path) -> None:
    deep = make_tiny_model(tmp_path / "deep", layers=4)
    run(with_settings(replace(job, start=deep), layers=2, method="full"))
    student = load(ModelPointer(str(job.folder)))
    assert student.model.config.num_hidden_layers == 2
    assert student.parameters < load(deep).parameters


def test_another_training_starts_anew(job: Job) -> None:
    """Checkpoints of other settings, samples, start or seed are none of this one's."""
    settings = with_settings(job, epochs=2, save_steps=1)
    with pytest.raises(KeyboardInterrupt):
        run(settings, kill_after=3)
    assert list(job.checkpoints.glob("checkpoint-*"))
    assert run(with_settings(settings, learning_rate=1e-3))[0].step == 1


def test_a_batch_that_cant_be_divided_is_refused(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "3")
    with pytest.raises(FailedPrecondition, match=r"student\.batch_size 4"):
        run(job)


def test_the_tokenizer_is_the_starts_to_the_byte(job: Job) -> None:
    run(with_settings(job, epochs=1))
    start = Path(job.start.uri) / "tokenizer.json"
    assert (job.folder / "tokenizer.json").read_bytes() == start.read_bytes()
