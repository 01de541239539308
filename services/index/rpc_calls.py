"""What every call of the index does: find the index, check, work, answer within limits."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from contextvars import copy_context
from typing import Any, Protocol, TypeVar

import grpc
import numpy as np
from google.protobuf.message import Message
from prometheus_client import Histogram

from services.index import metrics, queries
from services.index.engine import Stop
from services.index.limits import Limits, TooLarge, check_answer
from services.index.queries import MANY, Asked, Query, Work
from services.index.registry import LoadedIndex, Registry
from services.runtime.server import MAX_MESSAGE_BYTES
from stillhouse import work_time
from stillhouse.errors import InvalidArgument
from stillhouse.index import convert
from stillhouse.index.v1 import index_pb2 as pb

Context = grpc.aio.ServicerContext[Any, Any]
_T = TypeVar("_T")
_M = TypeVar("_M", bound=Message)
_S = TypeVar("_S", bound="_Sized")
_A = TypeVar("_A", bound="_Answer")

# Characters and ids up to which the work takes less time than a change of threads, which
# costs 0.1 to 0.3 ms of processor time; COUNTS are the quickest, NEVER may take long at any size.
SHORT, COUNTS, NEVER = 256, 2048, -1


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


class _Sized(Protocol):
    def ByteSize(self) -> int: ...


class _Answer(_Sized, Protocol):
    """A message that shows the tokens of its query."""

    @property
    def tokens(self) -> pb.TokenIds: ...


class Calls:
    """The indexes, the threads for long calls, and the limits of one call."""

    def __init__(self, registry: Registry, executor: Executor, limits: Limits) -> None:
        self._registry = registry
        self._executor = executor
        self._limits = limits

    async def _answer_one(
        self,
        request: _One,
        context: Context,
        work: Callable[[Work], _A],
        *,
        cuts: bool = False,
        short: int = SHORT,
    ) -> _A:
        """Answer a request with a query, and show the tokens that were looked up.

        `cuts` asks where tokens lie in their text; up to `short` characters and ids the work
        is done in the loop.
        """
        index = self._registry.get(request.index)
        query = one(request.query, "query", self._limits)

        def run(stop: Stop) -> _A:
            done = self._one(query, index, stop, cuts)
            with answering("query"):
                answer = work(done)
            answer.tokens.CopyFrom(looked_up(done, query))
            return fitting(answer, "query")

        return await self._run(context, run, len(query) <= short and not index.engine.remote)

    async def _answer_many(
        self,
        request: _Many,
        context: Context,
        work: Callable[[Work], _M],
        *,
        cuts: bool = False,
        short: int = SHORT,
    ) -> _M:
        """Answer a request with a batch of queries, as `_answer_one`."""
        index = self._registry.get(request.index)
        asked = many(request)
        queries.check_asked(asked, self._limits)

        def run(stop: Stop) -> _M:
            done = self._many(asked, index, stop, cuts)
            with answering(asked.names.whole):
                answer = work(done)
            return fitting(answer, asked.names.whole)

        return await self._run(context, run, asked.size <= short and not index.engine.remote)

    def _one(self, query: Query, index: LoadedIndex, stop: Stop, cuts: bool = False) -> Work:
        batch, found = queries.of_one(query, index, self._limits, cuts)
        return Work(index, batch, self._limits, stop, found)

    def _many(self, asked: Asked, index: LoadedIndex, stop: Stop, cuts: bool) -> Work:
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
            return _measured(work, stop, metrics.IN_LOOP)
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(
                self._executor, copy_context().run, _measured, work, stop, metrics.IN_THREAD
            )
        except asyncio.CancelledError:
            stop.cancel()
            raise


def _measured(work: Callable[[Stop], _T], stop: Stop, seconds: Histogram) -> _T:
    begun = time.perf_counter()
    try:
        return work(stop)
    finally:
        seconds.observe(time.perf_counter() - begun)


def _timed(work: Callable[[Stop], _T], context: Context) -> Callable[[Stop], _T]:
    """The work, which tells the caller how long it took."""

    def run(stop: Stop) -> _T:
        begun = time.perf_counter()
        answer = work(stop)
        spent = (time.perf_counter() - begun) * 1000
        context.set_trailing_metadata(((work_time.ANSWER, f"{spent:.4f}"),))
        return answer

    return run


def one(message: pb.Query, field: str, limits: Limits) -> Query:
    """The query of a request, within the limits."""
    query = convert.query_from_proto(message, field)
    queries.check_query(field, query, limits)
    return query


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


def looked_up(work: Work, query: Query) -> pb.TokenIds:
    """The ids of a single query, with their pieces if it came as text."""
    tokens = convert.ids_to_proto(work.batch.values)
    if isinstance(query, str) and work.index.tokenizer:
        tokens.pieces.extend(work.index.tokenizer.pieces(work.batch.values))
    return tokens


def fitting(answer: _S, field: str) -> _S:
    """The answer, or InvalidArgument if it is larger than a message may be."""
    check_answer(field, answer.ByteSize(), MAX_MESSAGE_BYTES)
    return answer


@contextmanager
def answering(field: str) -> Iterator[None]:
    """Names the field that `fitting` names where the answer of a shard is too large already."""
    try:
        yield
    except TooLarge as error:
        raise InvalidArgument(field, error.reason) from None
