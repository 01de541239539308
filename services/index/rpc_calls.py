"""What every call of the index does: find the index, check, work, answer within limits."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import Any, Protocol, TypeVar

import grpc
import numpy as np
from google.protobuf.message import Message

from services.index import queries
from services.index.engine import Stop
from services.index.limits import Limits
from services.index.queries import MANY, ONE, Asked, Work
from services.index.registry import LoadedIndex, Registry
from services.runtime.server import MAX_MESSAGE_BYTES
from stillhouse import work_time
from stillhouse.errors import InvalidArgument
from stillhouse.index import convert
from stillhouse.index.v1 import index_pb2 as pb

Context = grpc.aio.ServicerContext[Any, Any]
_T = TypeVar("_T")
_M = TypeVar("_M", bound=Message)

# Characters and ids up to which the work takes less time than a change of threads.
SHORT = 256


class _One(Protocol):
    @property
    def index(self) -> str: ...
    @property
    def query(self) -> pb.Query: ...


class _Many(Protocol):
    @property
    def index(self) -> str: ...
    @property
    def queries(self) -> Sequence[pb.Query]: ...
    @property
    def sequences(self) -> pb.Sequences: ...


class Calls:
    """The indexes, the threads for long calls, and the limits of one call."""

    def __init__(self, registry: Registry, executor: Executor, limits: Limits) -> None:
        self._registry = registry
        self._executor = executor
        self._limits = limits

    async def _answer(
        self,
        request: Any,
        context: Context,
        work: Callable[[Work], _M],
        *,
        cuts: bool = False,
        heavy: bool = False,
    ) -> _M:
        """Answer a request with a query, or a batch of them.

        `cuts` asks where tokens lie in their text; `heavy` calls never run in the loop.
        """
        index = self._registry.get(request.index)
        single = "query" in request.DESCRIPTOR.fields_by_name
        asked = one(request) if single else many(request)
        queries.check_asked(asked, self._limits)

        def run(stop: Stop) -> _M:
            return fitting(work(self._work(asked, index, stop, cuts)), asked.names.whole)

        return await self._run(context, run, asked.size <= SHORT and not heavy)

    def _work(self, asked: Asked, index: LoadedIndex, stop: Stop, cuts: bool) -> Work:
        if not cuts:
            return Work(index, queries.to_batch(asked, index, self._limits), self._limits, stop)
        batch, found = queries.to_batch_with_cuts(asked, index, self._limits)
        return Work(index, batch, self._limits, stop, found)

    async def _run(self, context: Context, work: Callable[[Stop], _T], short: bool) -> _T:
        """Do the work, on another thread unless it is short.

        The caller's deadline ends it, and so does a call that is cancelled; one that still
        waits for a thread leaves the queue.
        """
        stop = Stop(context.time_remaining())
        if work_time.ASK in (context.invocation_metadata() or ()):
            work = _timed(work, context)
        if short:
            return work(stop)
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._executor, work, stop)
        except asyncio.CancelledError:
            stop.cancel()
            raise


def _timed(work: Callable[[Stop], _T], context: Context) -> Callable[[Stop], _T]:
    """The work, which tells the caller how long it took."""

    def run(stop: Stop) -> _T:
        begun = time.perf_counter()
        answer = work(stop)
        spent = (time.perf_counter() - begun) * 1000
        context.set_trailing_metadata(((work_time.ANSWER, f"{spent:.4f}"),))
        return answer

    return run


def one(request: _One) -> Asked:
    """The query of a request."""
    return Asked(ONE, [convert.query_from_proto(request.query, "query")])


def many(request: _Many) -> Asked:
    """The queries of a request, by themselves or as one ragged array; not both."""
    if request.sequences.ids or request.sequences.lengths:
        if request.queries:
            raise InvalidArgument("sequences", "given beside queries; give one of them")
        values = np.array(request.sequences.ids, np.uint32)
        return queries.sequences(values, np.array(request.sequences.lengths, np.uint64))
    found = [
        convert.query_from_proto(query, MANY.of(number))
        for number, query in enumerate(request.queries)
    ]
    return Asked(MANY, found)


def looked_up(work: Work, by_text: bool) -> pb.TokenIds:
    """The ids of a single query, with their pieces if it came as text."""
    tokens = convert.ids_to_proto(work.batch.values)
    if by_text and work.index.tokenizer:
        tokens.pieces.extend(work.index.tokenizer.pieces(work.batch.values))
    return tokens


def fitting(answer: _M, field: str) -> _M:
    """The answer, or InvalidArgument if it is larger than a message may be."""
    size = answer.ByteSize()
    if size > MAX_MESSAGE_BYTES:
        raise InvalidArgument(
            field,
            f"the answer would have {size} bytes, the limit is {MAX_MESSAGE_BYTES}; "
            "send less a call",
        )
    return answer
