"""The gRPC door of the trainer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any, TypeVar

import grpc

from services.trainer.files import RunFolder
from services.trainer.listing import listed
from services.trainer.runs import Runs
from stillhouse.errors import InvalidArgument
from stillhouse.trainer import convert
from stillhouse.trainer.types import JudgedCandidate
from stillhouse.trainer.v1 import trainer_pb2, trainer_pb2_grpc

_Context = grpc.aio.ServicerContext[Any, Any]
_T = TypeVar("_T")
_DEFAULT_PAGE = 50
_LARGEST_PAGE = 500
_LONGEST_TOKEN = 18  # digits
_WATCH_INTERVAL = 0.2  # seconds; watchers need no more than that of a busy run


class TrainerService(trainer_pb2_grpc.TrainerServiceServicer):
    """Creates, resumes, watches and lists runs."""

    def __init__(self, runs: Runs) -> None:
        self._runs = runs

    async def CreateRun(
        self, request: trainer_pb2.CreateRunRequest, context: _Context
    ) -> trainer_pb2.Run:
        """Start a run."""
        return convert.run_to_proto(await self._runs.create(request.recipe_yaml, request.run_id))

    async def ResumeRun(
        self, request: trainer_pb2.ResumeRunRequest, context: _Context
    ) -> trainer_pb2.Run:
        """Go on with a run."""
        return convert.run_to_proto(await self._runs.resume(request.run_id))

    async def GetRun(
        self, request: trainer_pb2.GetRunRequest, context: _Context
    ) -> trainer_pb2.Run:
        """Tell a run's state."""
        return convert.run_to_proto(self._runs.get(request.run_id))

    async def ListRuns(
        self, request: trainer_pb2.ListRunsRequest, context: _Context
    ) -> trainer_pb2.ListRunsResponse:
        """List runs, newest first."""
        runs, following = _page(self._runs.list(), request.page_size, request.page_token)
        return trainer_pb2.ListRunsResponse(
            runs=[convert.run_to_proto(run) for run in runs], next_page_token=following
        )

    async def WatchRun(
        self, request: trainer_pb2.WatchRunRequest, context: _Context
    ) -> AsyncIterator[trainer_pb2.Run]:
        """Stream a run's state until it ends."""
        monitor = self._runs.monitor(request.run_id)
        if monitor is None:
            yield convert.run_to_proto(self._runs.get(request.run_id))
            return
        async for run in monitor.watch():
            yield convert.run_to_proto(run)
            await asyncio.sleep(_WATCH_INTERVAL)

    async def CancelRun(
        self, request: trainer_pb2.CancelRunRequest, context: _Context
    ) -> trainer_pb2.Run:
        """Stop a run."""
        return convert.run_to_proto(await self._runs.cancel(request.run_id))

    async def ListCandidates(
        self, request: trainer_pb2.ListCandidatesRequest, context: _Context
    ) -> trainer_pb2.ListCandidatesResponse:
        """List judged candidates."""
        folder = self._runs.folder(request.run_id)
        start, count = _bounds(request.page_size, request.page_token)
        # One more than the page holds tells whether there is another.
        rows = await asyncio.to_thread(_candidates, folder, request, start, count + 1)
        return trainer_pb2.ListCandidatesResponse(
            candidates=[convert.judged_to_proto(one) for one in rows[:count]],
            next_page_token=str(start + count) if len(rows) > count else "",
        )


def _candidates(
    folder: RunFolder, request: trainer_pb2.ListCandidatesRequest, start: int, count: int
) -> list[JudgedCandidate]:
    paths = sorted((folder.path / "verdicts").glob("gen-*.parquet"), key=_generation)
    if request.generation:
        paths = [path for path in paths if _generation(path) == request.generation]
    kinds = trainer_pb2.ListCandidatesRequest
    wanted = {kinds.SELECTION_ACCEPTED: True, kinds.SELECTION_REJECTED: False}
    accepted = wanted.get(request.selection)
    return listed(paths, accepted=accepted, layer=request.layer, start=start, count=count)


def _generation(path: Any) -> int:
    return int(path.stem.rpartition("-")[2])


def _page(rows: Sequence[_T], size: int, token: str) -> tuple[Sequence[_T], str]:
    start, count = _bounds(size, token)
    end = start + count
    return rows[start:end], str(end) if end < len(rows) else ""


def _bounds(size: int, token: str) -> tuple[int, int]:
    """Where a page starts, and how many rows it has."""
    if size > _LARGEST_PAGE:
        raise InvalidArgument("page_size", f"is {size}; at most {_LARGEST_PAGE} rows fit a page")
    if token and not (token.isdecimal() and len(token) <= _LONGEST_TOKEN):
        raise InvalidArgument("page_token", "must be a next_page_token as it was given")
    return int(token or 0), size or _DEFAULT_PAGE
