"""Clients of the filter service.

Every call raises errors of `stillhouse.errors`: InvalidArgument for what is asked,
Unavailable and DeadlineExceeded for what may go better on the next try.
"""

from __future__ import annotations

from collections.abc import Iterable

from stillhouse.filter import convert
from stillhouse.filter.types import Candidate, Cascade, Document, Evaluation
from stillhouse.filter.v1 import filter_pb2 as pb
from stillhouse.filter.v1.filter_pb2_grpc import FilterServiceStub
from stillhouse.security import Tls
from stillhouse.transport import AsyncClient, Client

_TIMEOUT = 600.0  # the critic behind the filter may run on a CPU


class FilterClient(Client):
    """Asks a filter; a call takes `timeout` seconds at most."""

    def __init__(
        self,
        target: str,
        timeout: float = _TIMEOUT,
        *,
        tls: Tls | None = None,
        token: str = "",
    ) -> None:
        super().__init__(target, timeout, tls, token)
        self._stub = FilterServiceStub(self._channel)

    def evaluate(
        self,
        cascade: Cascade,
        documents: Iterable[Document],
        candidates: Iterable[Candidate],
        *,
        timeout: float | None = None,
    ) -> Evaluation:
        """One verdict per candidate, in their order; each refers to one of `documents`."""
        request = _evaluate(cascade, documents, candidates)
        return convert.evaluation_from_proto(self._call(self._stub.Evaluate, request, timeout))


class AsyncFilterClient(AsyncClient):
    """`FilterClient` for asyncio."""

    def __init__(
        self,
        target: str,
        timeout: float = _TIMEOUT,
        *,
        tls: Tls | None = None,
        token: str = "",
    ) -> None:
        super().__init__(target, timeout, tls, token)
        self._stub = FilterServiceStub(self._channel)

    async def evaluate(
        self,
        cascade: Cascade,
        documents: Iterable[Document],
        candidates: Iterable[Candidate],
        *,
        timeout: float | None = None,
    ) -> Evaluation:
        """As `FilterClient.evaluate`."""
        request = _evaluate(cascade, documents, candidates)
        return convert.evaluation_from_proto(
            await self._call(self._stub.Evaluate, request, timeout)
        )


def _evaluate(
    cascade: Cascade, documents: Iterable[Document], candidates: Iterable[Candidate]
) -> pb.EvaluateRequest:
    return pb.EvaluateRequest(
        cascade=convert.cascade_to_proto(cascade),
        documents=map(convert.document_to_proto, documents),
        candidates=map(convert.candidate_to_proto, candidates),
    )
