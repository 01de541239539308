"""What protos/stillhouse/trainer/v1 promises, by the process that a deployment runs.

Broker and filter are real; no generator answers, so a run stays active until it is cancelled.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

from services import topology
from services.checkpoints.load import load
from services.runtime import streams
from services.trainer import tables
from services.trainer.files import RunFolder, write_table, write_text
from services.trainer.monitor import Monitor, Saved, load_saved
from stillhouse.errors import (
    DeadlineExceeded,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    ResourceExhausted,
    StillhouseError,
    Unavailable,
)
from stillhouse.filter.types import Candidate, Verdict
from stillhouse.generator.types import Decoding, ModelPointer
from stillhouse.recipe import Recipe
from stillhouse.trainer.client import AsyncTrainerClient, TrainerClient
from stillhouse.trainer.types import Diversity, GenerationProgress, Run, RunState, Stage
from stillhouse.trainer.v1 import trainer_pb2
from stillhouse.trainer.v1.trainer_pb2_grpc import TrainerServiceStub
from stillhouse.transport import open_channel, translated
from tests.support.broker import Broker
from tests.support.completions_wire import CompletionsWireServer, serving
from tests.support.corpus import write_corpus
from tests.support.service_process import ServiceProcess, launch, started
from tests.support.tiny_model import make_tiny_model

MODULE = "services.trainer"
SERVICE = "stillhouse.trainer.v1.TrainerService"
NOWHERE = "127.0.0.1:1"

Ask = Callable[[TrainerClient, str], object]
ASKS: dict[str, Ask] = {
    "resume": lambda client, run: client.resume_run(run),
    "get": lambda client, run: client.get_run(run),
    "watch": lambda client, run: list(client.watch_run(run)),
    "cancel": lambda client, run: client.cancel_run(run),
    "candidates": lambda client, run: list(client.list_candidates(run)),
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with documents, a file of none, and a place for runs."""
    folder = tmp_path_factory.mktemp("trainer")
    write_corpus(folder / "corpus.jsonl", 12)
    (folder / "empty.jsonl").touch()
    return folder


@pytest.fixture(scope="module")
def teacher(home: Path) -> ModelPointer:
    return make_tiny_model(home / "teacher")


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    one = Broker(tmp_path_factory.mktemp("jetstream"))
    one.start()
    yield one
    one.kill()


@pytest.fixture(scope="module")
def queues(broker: Broker) -> str:
    """Where the broker is, its streams made."""

    async def make() -> None:
        client = await streams.connect(broker.url, "test")
        await topology.ensure(client.jetstream(), ack_wait=30.0)
        await client.close()

    asyncio.run(make())
    return broker.url


@pytest.fixture(scope="module")
def judge() -> Iterator[str]:
    """The filter's target."""
    backends = {"CRITIC_TARGET": NOWHERE, "INDEX_TARGET": NOWHERE}
    with started("services.filter", QUEUE="false", **backends) as service:
        yield service.target


@pytest.fixture(scope="module")
def environment(home: Path, queues: str, judge: str) -> dict[str, str]:
    return {
        "NATS_URL": queues,
        "RUNS_DIR": str(home / "runs"),
        "MODELS_DIR": str(home / "models"),
        "GENERATOR_TARGET": NOWHERE,
        "FILTER_TARGET": judge,
        "THREADS": "1",
    }


@pytest.fixture(scope="module")
def service(environment: dict[str, str]) -> Iterator[ServiceProcess]:
    with started(MODULE, **environment) as one:
        yield one


@pytest.fixture(scope="module")
def client(service: ServiceProcess) -> Iterator[TrainerClient]:
    with TrainerClient(service.target, timeout=20) as one:
        yield one


@pytest.fixture(scope="module")
def stub(service: ServiceProcess) -> Iterator[TrainerServiceStub]:
    with open_channel(service.target) as channel:
        yield TrainerServiceStub(channel)


@pytest.fixture
def recipe(home: Path, teacher: ModelPointer) -> dict[str, Any]:
    return {
        "name": "test",
        "generations": 1,
        "corpus": {"source": str(home / "corpus.jsonl"), "min_sentences": 1, "held_out": 2},
        "teacher": {"model": teacher.uri},
        "filter": {"layers": [{"name": "brevity"}]},
    }


@pytest.fixture
def active(client: TrainerClient, recipe: dict[str, Any]) -> Iterator[Run]:
    run = client.create_run(yaml.safe_dump(recipe))
    yield run
    client.cancel_run(run.id)


def finished(runs: Path, run_id: str, state: RunState = RunState.SUCCEEDED) -> RunFolder:
    """A run's folder as a trainer leaves it: two generations of four candidates."""
    folder = RunFolder(runs / run_id)
    write_text(folder.recipe, Recipe().to_yaml())
    run = Run(
        run_id, state, Stage.DONE, 2, 2, message="as it was", folder=str(folder.path),
        loss=1.5, held_out_loss=1.75, tokens_per_second=110.5, eta_seconds=12.25,
    )  # fmt: skip
    Monitor(folder, Saved(run, attempt=0)).save()
    for generation in (1, 2):
        origin = tables.Origin(
            run_id, generation, 0, "ab" * 32, Decoding(samples=4, max_new_tokens=8)
        )
        candidates = [
            Candidate(f"g{generation}c{number}", "source", number, f"text {number}")
            for number in range(4)
        ]
        verdicts = [
            Verdict(candidates[0].id, True, scores={"brevity.ratio": 0.5}),
            Verdict(candidates[1].id, False, "brevity", "brevity.too_long"),
            Verdict(candidates[2].id, False, "surface", "surface.number"),
            Verdict(candidates[3].id, True),
        ]
        table = tables.verdicts_table(origin, candidates, verdicts)
        write_table(folder.verdicts(generation), table)
    return folder


@pytest.fixture(scope="module")
def done(home: Path) -> str:
    """A run that succeeded."""
    return finished(home / "runs", "done").id


def ids(client: TrainerClient, run: str, **selection: Any) -> list[str]:
    return [one.id for one in client.list_candidates(run, **selection)]


# CreateRun


def test_create_refuses_what_the_generators_can_not_do(
    environment: dict[str, str], recipe: dict[str, Any], teacher: ModelPointer, queues: str
) -> None:
    """Before anything is made: these generators call a server that gives no whole steps."""
    model = {"MODEL_URI": teacher.uri, "MODEL_DIGEST": teacher.digest}
    with (
        serving(CompletionsWireServer(load(teacher))) as wire,
        started(
            "services.generator", BACKEND="openai", BACKEND_URL=wire.url, NATS_URL=queues, **model
        ) as workers,
        started(MODULE, **environment | {"WORKERS_TARGET": workers.target}) as service,
        TrainerClient(service.target, timeout=20) as client,
    ):
        workers.wait_for("server asked")
        for asked, field in (
            ({"constraints": {"keywords": 1}}, "recipe.constraints"),
            ({"generation": {"beam": 20}}, "recipe.generation.beam"),
            ({"generations": 2}, "recipe.generations"),
        ):
            with pytest.raises(InvalidArgument) as caught:
                client.create_run(yaml.safe_dump(recipe | asked), "refused")
            assert caught.value.field == field
            assert not (Path(environment["RUNS_DIR"]) / "refused").exists()
        client.cancel_run(client.create_run(yaml.safe_dump(recipe), "not-refused").id)


def test_create_names_the_start_of_students_that_is_no_model(
    client: TrainerClient, recipe: dict[str, Any], home: Path
) -> None:
    asked = recipe | {"student": {"start": str(home / "nothing")}}
    with pytest.raises(InvalidArgument, match="no model at") as caught:
        client.create_run(yaml.safe_dump(asked), "no-start")
    assert caught.value.field == "recipe.student.start"
    assert not (home / "runs" / "no-start").exists()


def test_create_starts_a_run_under_the_wanted_id(
    client: TrainerClient, recipe: dict[str, Any]
) -> None:
    run = client.create_run(yaml.safe_dump(recipe), "wanted")
    try:
        assert (run.id, run.state, run.generations) == ("wanted", RunState.RUNNING, 1)
        written = Recipe.parse((Path(run.folder) / "recipe.yaml").read_text())
        assert written == Recipe.parse(yaml.safe_dump(recipe))
        assert (Path(run.folder) / "documents.parquet").is_file()
    finally:
        client.cancel_run("wanted")


def test_an_empty_id_lets_the_trainer_choose(active: Run) -> None:
    assert active.id.startswith("test-")
    assert Path(active.folder).name == active.id


def changed(recipe: dict[str, Any], path: str, value: Any) -> str:
    *parents, last = path.split(".")
    section = recipe
    for name in parents:
        section = section[name]
    section[last] = value
    return yaml.safe_dump(recipe)


@pytest.mark.parametrize(
    ("path", "value", "field", "said"),
    [
        ("colour", 1, "recipe.colour", "unknown key; known here: name, seed"),
        ("corpus.colour", 1, "recipe.corpus.colour", "known here: source"),
        ("seed", -1, "recipe.seed", "got -1"),
        ("generations", "two", "recipe.generations", "integer"),
        ("generation", {"top_p": 2.0}, "recipe.generation.top_p", "less than or equal to 1"),
        ("corpus.source", "/nowhere.jsonl", "corpus.source", "no file or folder /nowhere.jsonl"),
        ("corpus.max_characters", 1, "corpus.source", "no usable document"),
        ("corpus.held_out", 12, "corpus.held_out", "lower it"),
        ("teacher.model", "/nowhere", "recipe.teacher.model", "no model at /nowhere"),
        ("filter.layers", [{"name": "x"}], "recipe.filter.layers[0].name", "brevity, length"),
        ("filter.layers", [], "recipe.filter.layers", "empty"),
        (
            "filter.layers",
            [{"name": "brevity", "thresholds": {"x": 1}}],
            "recipe.filter.layers[0].thresholds.x",
            "ratio",
        ),
    ],
)
def test_create_names_the_key_that_is_wrong_and_leaves_nothing(
    client: TrainerClient,
    home: Path,
    recipe: dict[str, Any],
    path: str,
    value: object,
    field: str,
    said: str,
) -> None:
    before = sorted(home.rglob("*"))
    with pytest.raises(InvalidArgument) as caught:
        client.create_run(changed(recipe, path, value), "refused")
    assert caught.value.field == field
    assert said in caught.value.reason
    assert sorted(home.rglob("*")) == before


def test_an_empty_corpus_is_refused(
    client: TrainerClient, home: Path, recipe: dict[str, Any]
) -> None:
    with pytest.raises(InvalidArgument, match="no usable document") as caught:
        client.create_run(changed(recipe, "corpus.source", str(home / "empty.jsonl")))
    assert caught.value.field == "corpus.source"


@pytest.mark.parametrize(
    "text", ["a: [", "- a", "text", "name: 2026-99-99", "seed: 0x_", "a: &a\n  b: *c", "\0"]
)
def test_create_refuses_what_is_no_recipe(client: TrainerClient, text: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        client.create_run(text)
    assert caught.value.field == "recipe"


@pytest.mark.parametrize("run_id", ["Upper", "-a", "a/b", "..", "a" * 65, "a\n"])
def test_create_refuses_an_id_that_is_no_folder_name(
    client: TrainerClient, recipe: dict[str, Any], run_id: str
) -> None:
    with pytest.raises(InvalidArgument, match="lower-case letters, digits and hyphens") as caught:
        client.create_run(yaml.safe_dump(recipe), run_id)
    assert caught.value.field == "run_id"


def test_create_refuses_an_id_that_exists(
    client: TrainerClient, recipe: dict[str, Any], done: str
) -> None:
    with pytest.raises(InvalidArgument, match="choose another, or resume it") as caught:
        client.create_run(yaml.safe_dump(recipe), done)
    assert caught.value.field == "run_id"
    assert client.get_run(done).state is RunState.SUCCEEDED


def test_a_second_run_is_told_when_to_come_back(
    client: TrainerClient, recipe: dict[str, Any], active: Run
) -> None:
    with pytest.raises(ResourceExhausted, match=f"run {active.id} is active") as caught:
        client.create_run(yaml.safe_dump(recipe), "second")
    assert caught.value.retry_after == 30.0
    assert not Path(active.folder).with_name("second").exists()


# ResumeRun


def test_a_cancelled_run_goes_on(client: TrainerClient, active: Run) -> None:
    assert client.cancel_run(active.id).state is RunState.CANCELLED
    resumed = client.resume_run(active.id)
    assert (resumed.id, resumed.state, resumed.message) == (active.id, RunState.RUNNING, "")


def test_resuming_an_active_run_answers_it_as_it_is(client: TrainerClient, active: Run) -> None:
    assert client.resume_run(active.id).state is RunState.RUNNING


def test_resuming_a_finished_run_answers_it_as_it_is(client: TrainerClient, done: str) -> None:
    assert client.resume_run(done) == client.get_run(done)


def test_resuming_twice_at_once_is_resuming_once(client: TrainerClient, active: Run) -> None:
    client.cancel_run(active.id)
    with ThreadPoolExecutor(4) as executor:
        runs = list(executor.map(client.resume_run, [active.id] * 4))
    assert {run.state for run in runs} == {RunState.RUNNING}


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "{}", '{"run": null}', '{"run": {"progress": [1]}}']
)
def test_a_damaged_state_is_named(client: TrainerClient, home: Path, content: str) -> None:
    folder = finished(home / "runs", "damaged-state", RunState.CANCELLED)
    folder.state.write_text(content)
    with pytest.raises(FailedPrecondition, match=r"state\.json is damaged"):
        client.resume_run("damaged-state")


@pytest.mark.parametrize("content", [None, "colour: 1", "teacher: {model: /nowhere}"])
def test_a_recipe_that_no_longer_holds_is_named(
    client: TrainerClient, home: Path, content: str | None
) -> None:
    folder = finished(home / "runs", "damaged-recipe", RunState.CANCELLED)
    if content is None:
        folder.recipe.unlink()
    else:
        folder.recipe.write_text(content)
    with pytest.raises(FailedPrecondition, match=r"recipe\.yaml"):
        client.resume_run("damaged-recipe")


def test_resuming_beside_an_active_run_is_told_when_to_come_back(
    client: TrainerClient, home: Path, active: Run
) -> None:
    finished(home / "runs", "waiting", RunState.CANCELLED)
    with pytest.raises(ResourceExhausted, match=f"run {active.id} is active") as caught:
        client.resume_run("waiting")
    assert caught.value.retry_after == 30.0


# NOT_FOUND


@pytest.mark.parametrize("ask", ASKS.values(), ids=ASKS)
@pytest.mark.parametrize("run_id", ["none", "", "..", "a/b", "done\0"])
def test_an_unknown_run_is_not_found(client: TrainerClient, ask: Ask, run_id: str) -> None:
    with pytest.raises(NotFound, match="no run"):
        ask(client, run_id)


# GetRun, ListRuns


def test_get_tells_the_state(client: TrainerClient, done: str, active: Run) -> None:
    assert client.get_run(active.id).state is RunState.RUNNING
    run = client.get_run(done)
    assert (run.state, run.stage, run.message) == (RunState.SUCCEEDED, Stage.DONE, "as it was")


def test_get_tells_why_a_run_ended_early(client: TrainerClient, home: Path) -> None:
    folder = finished(home / "runs", "early")
    progress = (
        GenerationProgress(1, 9, 3, 4, 20, expert=True),
        GenerationProgress(2, 9, 3, 4, 20, diversity=Diversity(9, 0.5, 0.25, 0.75, 0.125)),
    )
    monitor = Monitor(folder, load_saved(folder))
    monitor.update(progress=progress, stop_reason="no fresh documents")
    monitor.save()
    run = client.get_run("early")
    assert (run.stop_reason, run.progress) == ("no fresh documents", progress)


def test_get_tells_how_the_training_goes(client: TrainerClient, done: str) -> None:
    run = client.get_run(done)
    assert (run.loss, run.held_out_loss) == (1.5, 1.75)
    assert (run.tokens_per_second, run.eta_seconds) == (110.5, 12.25)


def test_a_run_whose_process_died_counts_as_cancelled(client: TrainerClient, home: Path) -> None:
    finished(home / "runs", "died", RunState.RUNNING)
    run = client.get_run("died")
    assert (run.state, run.message) == (RunState.CANCELLED, "its process was interrupted")


def test_runs_are_listed_newest_first_whatever_else_lies_there(
    client: TrainerClient, home: Path
) -> None:
    for name in ("older", "newer"):
        finished(home / "runs", name)
    (home / "runs" / "notes").mkdir(exist_ok=True)
    (home / "runs" / "file.txt").touch()
    finished(home / "runs", "damaged").state.write_text("{")
    found = [run.id for run in client.list_runs()]
    assert found[:2] == ["newer", "older"]
    assert not {"notes", "file.txt", "damaged"} & set(found)


def test_pages_of_runs_follow_each_other(client: TrainerClient, stub: TrainerServiceStub) -> None:
    request = trainer_pb2.ListRunsRequest(page_size=1)
    found = []
    while True:
        page = stub.ListRuns(request, timeout=10)
        found += [run.id for run in page.runs]
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
    assert found == [run.id for run in client.list_runs()]


_PAGES = [(501, "", "page_size"), (1, "x", "page_token"), (1, "-1", "page_token"),
          (1, "9" * 5000, "page_token")]  # fmt: skip


@pytest.mark.parametrize(("size", "token", "field"), _PAGES)
def test_a_page_that_cannot_be_is_refused(
    stub: TrainerServiceStub, done: str, size: int, token: str, field: str
) -> None:
    runs = trainer_pb2.ListRunsRequest(page_size=size, page_token=token)
    candidates = trainer_pb2.ListCandidatesRequest(run_id=done, page_size=size, page_token=token)
    with pytest.raises(InvalidArgument) as caught, translated():
        stub.ListRuns(runs, timeout=10)
    assert caught.value.field == field
    with pytest.raises(InvalidArgument) as caught, translated():
        stub.ListCandidates(candidates, timeout=10)
    assert caught.value.field == field


def test_a_page_after_the_last_is_empty(stub: TrainerServiceStub, done: str) -> None:
    request = trainer_pb2.ListCandidatesRequest(run_id=done, page_token="1000")
    page = stub.ListCandidates(request, timeout=10)
    assert (list(page.candidates), page.next_page_token) == ([], "")


# WatchRun, CancelRun


def test_a_watch_begins_with_the_state_now_and_ends_with_the_run(
    client: TrainerClient, active: Run
) -> None:
    watch = client.watch_run(active.id)
    assert next(watch).state is RunState.RUNNING
    client.cancel_run(active.id)
    *_, last = watch
    assert (last.state, last.message) == (RunState.CANCELLED, "stopped; it can be resumed")


def test_a_watch_tells_of_each_change(client: TrainerClient, active: Run) -> None:
    stages = []
    for run in client.watch_run(active.id):
        stages.append(run.stage)
        if run.stage is Stage.EVALUATING:  # where it waits for a generator
            break
    assert set(stages) <= {Stage.PREPARING, Stage.EVALUATING}


def test_a_watch_of_an_ended_run_is_its_last_state(client: TrainerClient, done: str) -> None:
    assert list(client.watch_run(done)) == [client.get_run(done)]


def test_a_watch_ends_at_the_callers_deadline(client: TrainerClient, active: Run) -> None:
    with pytest.raises(DeadlineExceeded):
        list(client.watch_run(active.id, timeout=0.3))
    assert client.get_run(active.id).state is RunState.RUNNING


def test_cancelling_keeps_what_is_finished(client: TrainerClient, active: Run) -> None:
    cancelled = client.cancel_run(active.id)
    assert cancelled.state is RunState.CANCELLED
    assert load_saved(RunFolder(Path(active.folder))).run.state is RunState.CANCELLED
    assert (Path(active.folder) / "documents.parquet").is_file()
    assert client.cancel_run(active.id) == cancelled


def test_cancelling_an_ended_run_changes_nothing(client: TrainerClient, done: str) -> None:
    assert client.cancel_run(done).state is RunState.SUCCEEDED


# ListCandidates


def test_candidates_are_listed_in_order_with_their_verdicts(
    client: TrainerClient, done: str
) -> None:
    everything = list(client.list_candidates(done))
    assert [one.id for one in everything] == [f"g{g}c{n}" for g in (1, 2) for n in range(4)]
    first, second = everything[:2]
    assert (first.accepted, first.scores) == (True, {"brevity.ratio": 0.5})
    assert (second.layer, second.reason) == ("brevity", "brevity.too_long")
    assert (second.sample_index, second.text) == (1, "text 1")


def test_candidates_are_selected(client: TrainerClient, done: str) -> None:
    assert ids(client, done, accepted=True) == ["g1c0", "g1c3", "g2c0", "g2c3"]
    assert ids(client, done, accepted=False, generation=2) == ["g2c1", "g2c2"]
    assert ids(client, done, layer="surface") == ["g1c2", "g2c2"]
    assert ids(client, done, generation=3) == []


def test_pages_of_candidates_follow_each_other(stub: TrainerServiceStub, done: str) -> None:
    request = trainer_pb2.ListCandidatesRequest(run_id=done, page_size=3)
    sizes = []
    while True:
        page = stub.ListCandidates(request, timeout=10)
        sizes.append([one.id for one in page.candidates])
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
    assert sizes == [["g1c0", "g1c1", "g1c2"], ["g1c3", "g2c0", "g2c1"], ["g2c2", "g2c3"]]


def test_a_run_that_judged_nothing_has_no_candidates(client: TrainerClient, active: Run) -> None:
    assert ids(client, active.id) == []


# The async client


async def test_every_call_has_its_async_twin(
    service: ServiceProcess, recipe: dict[str, Any], done: str
) -> None:
    async with AsyncTrainerClient(service.target, timeout=60) as client:
        run = await client.create_run(Recipe.parse(yaml.safe_dump(recipe)))
        try:
            assert (await client.resume_run(run.id)).state is RunState.RUNNING
            assert run.id in [one.id async for one in client.list_runs()]
        finally:
            await client.cancel_run(run.id)
        (last,) = [one async for one in client.watch_run(run.id)]
        assert last == await client.get_run(run.id)
        assert len([one async for one in client.list_candidates(done, accepted=True)]) == 4


# Health, reflection, the process


def test_health_and_reflection(service: ServiceProcess) -> None:
    with open_channel(service.target) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        for name in ("", SERVICE, "liveness"):
            request = health_pb2.HealthCheckRequest(service=name)
            answer = health.Check(request, timeout=10, wait_for_ready=True)
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
        database = ProtoReflectionDescriptorDatabase(channel)
        assert SERVICE in database.get_services()
        assert len(database.FindFileContainingSymbol(SERVICE).service[0].method) == 7


def test_sigterm_stops_the_run_so_that_it_can_be_resumed(
    environment: dict[str, str], recipe: dict[str, Any], tmp_path: Path
) -> None:
    with (
        started(MODULE, **environment | {"RUNS_DIR": str(tmp_path / "runs")}) as service,
        TrainerClient(service.target, timeout=60) as client,
    ):
        run = client.create_run(yaml.safe_dump(recipe), "stopped")
        watch = client.watch_run(run.id)
        assert next(watch).state is RunState.RUNNING
        service.process.send_signal(signal.SIGTERM)
        *_, last = watch
        assert last.state is RunState.CANCELLED
        assert service.process.wait(20) == 0
        with pytest.raises(Unavailable):
            client.get_run(run.id)
    assert load_saved(RunFolder(tmp_path / "runs" / "stopped")).run.state is RunState.CANCELLED


def test_a_start_that_cannot_succeed_says_why_in_one_line() -> None:
    wrong = {
        "STILLHOUSE_THREADS": {"THREADS": "many"},
        "no broker at nats://127.0.0.1:1": {"NATS_URL": "nats://127.0.0.1:1"},
    }
    processes = {
        said: launch(MODULE, **{"LOG_LEVEL": "ERROR"} | variables)
        for said, variables in wrong.items()
    }
    endings = {said: (one.communicate()[1], one.returncode) for said, one in processes.items()}
    for said, (stderr, code) in endings.items():
        assert code == 2
        assert stderr.startswith("error: ")
        assert said in stderr
        assert stderr.count("\n") == 1


# Whatever comes in


@pytest.mark.parametrize(
    "text", ["[" * 5000, "name: !!python/object:os.system x", "? [a]\n: b", "1: 2", "seed: .nan",
             "filter: {layers: [1]}", "corpus: []"]
)  # fmt: skip
def test_no_recipe_is_a_defect(client: TrainerClient, text: str) -> None:
    with pytest.raises(StillhouseError) as caught:
        client.create_run(text)
    assert isinstance(caught.value, InvalidArgument)
    assert caught.value.field.startswith("recipe")
