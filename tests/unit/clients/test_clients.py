"""The clients of trainer and generator against servicers made by hand."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

import stillhouse
from stillhouse.generator.client import AsyncGeneratorClient, GeneratorClient
from stillhouse.generator.types import Decoding, Prompt, Sample, Score, ScoreItem
from stillhouse.generator.v1 import generator_pb2, generator_pb2_grpc
from stillhouse.recipe import Recipe
from stillhouse.trainer.client import AsyncTrainerClient, TrainerClient
from stillhouse.trainer.v1 import trainer_pb2, trainer_pb2_grpc
from tests.support.serving import served

RUNS = [
    trainer_pb2.Run(
        id=f"run-{number}",
        state=trainer_pb2.RUN_STATE_SUCCEEDED,
        stage=trainer_pb2.STAGE_DONE,
    )
    for number in range(5)
]


class PagedTrainer(trainer_pb2_grpc.TrainerServiceServicer):
    """Two entries a page, whatever size is asked for; remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Any] = []

    async def CreateRun(self, request: Any, _context: Any) -> trainer_pb2.Run:
        self.asked.append(Recipe.parse(request.recipe_yaml).seed)
        return RUNS[0]

    async def GetRun(self, request: Any, _context: Any) -> trainer_pb2.Run:
        return RUNS[int(request.run_id)]

    async def ResumeRun(self, request: Any, _context: Any) -> trainer_pb2.Run:
        return RUNS[int(request.run_id)]

    async def CancelRun(self, request: Any, _context: Any) -> trainer_pb2.Run:
        return RUNS[int(request.run_id)]

    async def ListRuns(self, request: Any, _context: Any) -> trainer_pb2.ListRunsResponse:
        start = int(request.page_token or 0)
        more = str(start + 2) if start + 2 < len(RUNS) else ""
        return trainer_pb2.ListRunsResponse(runs=RUNS[start : start + 2], next_page_token=more)

    async def WatchRun(self, _request: Any, _context: Any) -> AsyncIterator[trainer_pb2.Run]:
        for run in RUNS:
            yield run

    async def ListCandidates(
        self, request: Any, _context: Any
    ) -> trainer_pb2.ListCandidatesResponse:
        self.asked.append((request.run_id, request.generation, request.selection, request.layer))
        start = int(request.page_token or 0)
        page = [trainer_pb2.JudgedCandidate(id=str(start + i)) for i in range(2)]
        more = str(start + 2) if start < 4 else ""
        return trainer_pb2.ListCandidatesResponse(candidates=page, next_page_token=more)


class Echo(generator_pb2_grpc.GeneratorServiceServicer):
    """Gives prompts and continuations back."""

    async def Generate(
        self, request: Any, _context: Any
    ) -> AsyncIterator[generator_pb2.GenerateResponse]:
        for prompt in request.prompts:
            sample = generator_pb2.Sample(text=prompt.text, tokens=request.decoding.samples)
            yield generator_pb2.GenerateResponse(prompt_id=prompt.id, samples=[sample])

    async def Score(self, request: Any, _context: Any) -> generator_pb2.ScoreResponse:
        return generator_pb2.ScoreResponse(
            results=[
                generator_pb2.ScoreResult(
                    logprob=-len(item.prefix),
                    tokens=len(item.continuation),
                    token_ends=[1] if request.per_token else [],
                )
                for item in request.items
            ]
        )


@pytest.fixture
def trainer() -> PagedTrainer:
    return PagedTrainer()


@pytest.fixture
async def target(trainer: PagedTrainer) -> AsyncIterator[str]:
    def add(server: grpc.aio.Server) -> None:
        trainer_pb2_grpc.add_TrainerServiceServicer_to_server(trainer, server)
        generator_pb2_grpc.add_GeneratorServiceServicer_to_server(Echo(), server)  # type: ignore[abstract]

    async with served("stillhouse.trainer.v1.TrainerService", add) as one:
        yield one


async def test_pages_are_gone_through(target: str) -> None:
    wanted = [run.id for run in RUNS]

    def sync() -> list[str]:
        with TrainerClient(target) as client:
            return [run.id for run in client.list_runs()]

    async with AsyncTrainerClient(target) as client:
        assert [run.id async for run in client.list_runs()] == wanted
        assert [one.id async for one in client.list_candidates("r")] == list("012345")
    assert await asyncio.to_thread(sync) == wanted


async def test_candidates_are_selected(target: str, trainer: PagedTrainer) -> None:
    def sync() -> list[str]:
        with TrainerClient(target) as client:
            found = client.list_candidates("r", generation=2, accepted=False, layer="novelty")
            return [one.id for one in found]

    assert await asyncio.to_thread(sync) == list("012345")
    rejected = trainer_pb2.ListCandidatesRequest.SELECTION_REJECTED
    assert trainer.asked == [("r", 2, rejected, "novelty")] * 3


async def test_runs_are_made_watched_and_stopped(target: str, trainer: PagedTrainer) -> None:
    def sync() -> list[str]:
        with TrainerClient(target) as client:
            client.create_run(Recipe(seed=11))
            client.create_run("seed: 12")
            found = [client.get_run("1"), client.resume_run("2"), client.cancel_run("3")]
            return [run.id for run in [*found, *client.watch_run("4")]]

    wanted = ["run-1", "run-2", "run-3", *(run.id for run in RUNS)]
    assert await asyncio.to_thread(sync) == wanted
    assert trainer.asked == [11, 12]
    async with AsyncTrainerClient(target) as client:
        found = [await client.get_run("1"), await client.resume_run("2")]
        found += [await client.cancel_run("3")]
        found += [run async for run in client.watch_run("4")]
    assert [run.id for run in found] == wanted


async def test_samples_come_prompt_by_prompt(target: str) -> None:
    prompts, decoding = [Prompt("a", "x"), Prompt("b", "y")], Decoding(3, 8)
    wanted = [(one.id, (Sample(one.text, 3, 0.0, False),)) for one in prompts]

    def sync() -> list[object]:
        with GeneratorClient(target) as client:
            return list(client.generate(prompts, decoding))

    assert await asyncio.to_thread(sync) == wanted
    async with AsyncGeneratorClient(target) as client:
        assert [one async for one in client.generate(prompts, decoding)] == wanted


async def test_scores_keep_the_order(target: str) -> None:
    items = [ScoreItem("abc", "d"), ScoreItem("", "ef")]
    async with AsyncGeneratorClient(target) as client:
        assert await client.score(items) == (Score(-3.0, 1), Score(0.0, 2))
        assert (await client.score(items, per_token=True))[1].token_ends == (1,)


def test_every_exported_name_is_there() -> None:
    for name in stillhouse.__all__:
        assert getattr(stillhouse, name).__name__ == name
    with pytest.raises(AttributeError, match="Nonsense"):
        stillhouse.Nonsense  # noqa: B018


def test_importing_the_package_loads_neither_grpc_nor_numpy() -> None:
    code = "import sys, stillhouse.errors; print('grpc' in sys.modules, 'numpy' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.split() == ["False", "False"]
