"""Clients of the trainer service.

Every call raises errors of `stillhouse.errors`: InvalidArgument, NotFound and
FailedPrecondition for what is asked, ResourceExhausted, Unavailable and
DeadlineExceeded for what may go better on the next try.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

from stillhouse.recipe import Recipe
from stillhouse.security import Tls
from stillhouse.trainer import convert
from stillhouse.trainer.types import JudgedCandidate, Run
from stillhouse.trainer.v1 import trainer_pb2 as pb
from stillhouse.trainer.v1.trainer_pb2_grpc import TrainerServiceStub
from stillhouse.transport import AsyncClient, Client

_TIMEOUT = 600.0  # a run that starts or resumes reads its documents first
_PAGE = 500


class TrainerClient(Client):
    """Asks a trainer; a call takes `timeout` seconds at most, a watch as long as the run."""

    def __init__(
        self,
        target: str,
        timeout: float = _TIMEOUT,
        *,
        tls: Tls | None = None,
        token: str = "",
    ) -> None:
        super().__init__(target, timeout, tls, token)
        self._stub = TrainerServiceStub(self._channel)

    def create_run(
        self, recipe: Recipe | str, run_id: str = "", *, timeout: float | None = None
    ) -> Run:
        """Start a run of a recipe (or its YAML); an empty id lets the trainer choose."""
        return convert.run_from_proto(
            self._call(self._stub.CreateRun, _create(recipe, run_id), timeout)
        )

    def resume_run(self, run_id: str, *, timeout: float | None = None) -> Run:
        """Continue a run that stopped, without repeating finished work."""
        request = pb.ResumeRunRequest(run_id=run_id)
        return convert.run_from_proto(self._call(self._stub.ResumeRun, request, timeout))

    def get_run(self, run_id: str, *, timeout: float | None = None) -> Run:
        """A run's state now."""
        request = pb.GetRunRequest(run_id=run_id)
        return convert.run_from_proto(self._call(self._stub.GetRun, request, timeout))

    def list_runs(self, *, timeout: float | None = None) -> Iterator[Run]:
        """The runs in the trainer's folder, newest first."""
        request = pb.ListRunsRequest(page_size=_PAGE)
        while True:
            page = self._call(self._stub.ListRuns, request, timeout)
            yield from map(convert.run_from_proto, page.runs)
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    def watch_run(self, run_id: str, *, timeout: float | None = None) -> Iterator[Run]:
        """A run's state now and at each change, until the run ends."""
        request = pb.WatchRunRequest(run_id=run_id)
        for message in self._stream(self._stub.WatchRun, request, timeout):
            yield convert.run_from_proto(message)

    def cancel_run(self, run_id: str, *, timeout: float | None = None) -> Run:
        """Stop a run; what is finished is kept and can be resumed."""
        request = pb.CancelRunRequest(run_id=run_id)
        return convert.run_from_proto(self._call(self._stub.CancelRun, request, timeout))

    def list_candidates(
        self,
        run_id: str,
        generation: int = 0,
        accepted: bool | None = None,
        layer: str = "",
        *,
        timeout: float | None = None,
    ) -> Iterator[JudgedCandidate]:
        """Judged candidates in order; generation 0, None and "" mean all of them."""
        request = _candidates(run_id, generation, accepted, layer)
        while True:
            page = self._call(self._stub.ListCandidates, request, timeout)
            yield from map(convert.judged_from_proto, page.candidates)
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token


class AsyncTrainerClient(AsyncClient):
    """`TrainerClient` for asyncio."""

    def __init__(
        self,
        target: str,
        timeout: float = _TIMEOUT,
        *,
        tls: Tls | None = None,
        token: str = "",
    ) -> None:
        super().__init__(target, timeout, tls, token)
        self._stub = TrainerServiceStub(self._channel)

    async def create_run(
        self, recipe: Recipe | str, run_id: str = "", *, timeout: float | None = None
    ) -> Run:
        """As `TrainerClient.create_run`."""
        answer = await self._call(self._stub.CreateRun, _create(recipe, run_id), timeout)
        return convert.run_from_proto(answer)

    async def resume_run(self, run_id: str, *, timeout: float | None = None) -> Run:
        """As `TrainerClient.resume_run`."""
        request = pb.ResumeRunRequest(run_id=run_id)
        return convert.run_from_proto(await self._call(self._stub.ResumeRun, request, timeout))

    async def get_run(self, run_id: str, *, timeout: float | None = None) -> Run:
        """As `TrainerClient.get_run`."""
        request = pb.GetRunRequest(run_id=run_id)
        return convert.run_from_proto(await self._call(self._stub.GetRun, request, timeout))

    async def list_runs(self, *, timeout: float | None = None) -> AsyncIterator[Run]:
        """As `TrainerClient.list_runs`."""
        request = pb.ListRunsRequest(page_size=_PAGE)
        while True:
            page = await self._call(self._stub.ListRuns, request, timeout)
            for message in page.runs:
                yield convert.run_from_proto(message)
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    async def watch_run(self, run_id: str, *, timeout: float | None = None) -> AsyncIterator[Run]:
        """As `TrainerClient.watch_run`."""
        request = pb.WatchRunRequest(run_id=run_id)
        async for message in self._stream(self._stub.WatchRun, request, timeout):
            yield convert.run_from_proto(message)

    async def cancel_run(self, run_id: str, *, timeout: float | None = None) -> Run:
        """As `TrainerClient.cancel_run`."""
        request = pb.CancelRunRequest(run_id=run_id)
        return convert.run_from_proto(await self._call(self._stub.CancelRun, request, timeout))

    async def list_candidates(
        self,
        run_id: str,
        generation: int = 0,
        accepted: bool | None = None,
        layer: str = "",
        *,
        timeout: float | None = None,
    ) -> AsyncIterator[JudgedCandidate]:
        """As `TrainerClient.list_candidates`."""
        request = _candidates(run_id, generation, accepted, layer)
        while True:
            page = await self._call(self._stub.ListCandidates, request, timeout)
            for message in page.candidates:
                yield convert.judged_from_proto(message)
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token


def _create(recipe: Recipe | str, run_id: str) -> pb.CreateRunRequest:
    text = recipe if isinstance(recipe, str) else recipe.to_yaml()
    return pb.CreateRunRequest(recipe_yaml=text, run_id=run_id)


def _candidates(
    run_id: str, generation: int, accepted: bool | None, layer: str
) -> pb.ListCandidatesRequest:
    return pb.ListCandidatesRequest(
        run_id=run_id,
        generation=generation,
        selection=convert.selection_to_proto(accepted),
        layer=layer,
        page_size=_PAGE,
    )
