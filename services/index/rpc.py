"""The gRPC door of the index."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from typing import Any, TypeVar

import grpc

from services.index import queries
from services.index.queries import Asked, Limits
from services.index.registry import Registry
from services.runtime.server import MAX_MESSAGE_BYTES
from stillhouse.errors import InvalidArgument
from stillhouse.index import convert
from stillhouse.index.v1 import index_pb2, index_pb2_grpc

SERVICE = index_pb2.DESCRIPTOR.services_by_name["IndexService"].full_name

_Context = grpc.aio.ServicerContext[Any, Any]
_T = TypeVar("_T")
_Answer = TypeVar(
    "_Answer",
    index_pb2.MatchLengthsResponse,
    index_pb2.MatchLengthsBatchResponse,
    index_pb2.TokenizeResponse,
    index_pb2.TokenizeBatchResponse,
)

# Characters and ids up to which the work takes less time than a change of threads.
_SHORT = 256


class IndexService(index_pb2_grpc.IndexServiceServicer):
    """Queries on the process's indexes; long ones run in `executor`."""

    def __init__(self, registry: Registry, executor: Executor, limits: Limits) -> None:
        self._registry = registry
        self._executor = executor
        self._limits = limits

    async def ListIndexes(
        self, request: index_pb2.ListIndexesRequest, context: _Context
    ) -> index_pb2.ListIndexesResponse:
        """List the indexes."""
        return index_pb2.ListIndexesResponse(
            indexes=map(convert.info_to_proto, self._registry.infos())
        )

    async def Count(
        self, request: index_pb2.CountRequest, context: _Context
    ) -> index_pb2.CountResponse:
        """Count one n-gram."""
        index = self._registry.get(request.index)
        asked = [convert.query_from_proto(request.query, "query")]
        queries.check_lengths(["query"], asked, self._limits)
        counts, ids = await self._run(
            asked, lambda: queries.count(["query"], asked, index, self._limits)
        )
        return index_pb2.CountResponse(count=counts[0], tokens=convert.ids_to_proto(ids[0]))

    async def CountBatch(
        self, request: index_pb2.CountBatchRequest, context: _Context
    ) -> index_pb2.CountBatchResponse:
        """Count many n-grams."""
        index = self._registry.get(request.index)
        fields, asked = self._asked(request.queries)
        counts, _ = await self._run(
            asked, lambda: queries.count(fields, asked, index, self._limits)
        )
        return index_pb2.CountBatchResponse(counts=counts)

    async def MatchLengths(
        self, request: index_pb2.MatchLengthsRequest, context: _Context
    ) -> index_pb2.MatchLengthsResponse:
        """Match one sequence."""
        index = self._registry.get(request.index)
        asked = [convert.query_from_proto(request.query, "query")]
        queries.check_lengths(["query"], asked, self._limits)

        def work() -> index_pb2.MatchLengthsResponse:
            found = queries.match(["query"], asked, index, self._limits)
            return _fitting(convert.match_to_proto(found[0]), "query")

        return await self._run(asked, work)

    async def MatchLengthsBatch(
        self, request: index_pb2.MatchLengthsBatchRequest, context: _Context
    ) -> index_pb2.MatchLengthsBatchResponse:
        """Match many sequences."""
        index = self._registry.get(request.index)
        fields, asked = self._asked(request.queries)

        def work() -> index_pb2.MatchLengthsBatchResponse:
            found = queries.match(fields, asked, index, self._limits)
            answer = index_pb2.MatchLengthsBatchResponse(matches=map(convert.match_to_proto, found))
            return _fitting(answer, "queries")

        return await self._run(asked, work)

    async def Tokenize(
        self, request: index_pb2.TokenizeRequest, context: _Context
    ) -> index_pb2.TokenizeResponse:
        """Cut one text."""
        tokenizer = self._registry.get(request.index).require_tokenizer()
        texts = [request.text]
        queries.check_lengths(["text"], texts, self._limits)

        def work() -> index_pb2.TokenizeResponse:
            found = queries.tokenize(["text"], texts, tokenizer, self._limits)
            return _fitting(convert.tokenization_to_proto(found[0]), "text")

        return await self._run(texts, work)

    async def TokenizeBatch(
        self, request: index_pb2.TokenizeBatchRequest, context: _Context
    ) -> index_pb2.TokenizeBatchResponse:
        """Cut many texts."""
        tokenizer = self._registry.get(request.index).require_tokenizer()
        queries.check_batch("texts", len(request.texts), self._limits)
        texts, fields = list(request.texts), _numbered("texts", len(request.texts))
        queries.check_lengths(fields, texts, self._limits)

        def work() -> index_pb2.TokenizeBatchResponse:
            found = queries.tokenize(fields, texts, tokenizer, self._limits)
            results = map(convert.tokenization_to_proto, found)
            return _fitting(index_pb2.TokenizeBatchResponse(results=results), "texts")

        return await self._run(texts, work)

    def _asked(self, messages: Sequence[index_pb2.Query]) -> tuple[list[str], list[Asked]]:
        queries.check_batch("queries", len(messages), self._limits)
        fields = _numbered("queries", len(messages))
        asked = [convert.query_from_proto(*pair) for pair in zip(messages, fields, strict=True)]
        queries.check_lengths(fields, asked, self._limits)
        return fields, asked

    async def _run(self, asked: Iterable[Asked], work: Callable[[], _T]) -> _T:
        """Do the work, on another thread unless it is short.

        A call that is cancelled while it waits for a thread leaves the queue.
        """
        if sum(map(len, asked)) <= _SHORT:
            return work()
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)


def _numbered(field: str, count: int) -> list[str]:
    return [f"{field}[{number}]" for number in range(count)]


def _fitting(answer: _Answer, field: str) -> _Answer:
    """The answer, or InvalidArgument if it is larger than a message may be."""
    size = answer.ByteSize()
    if size > MAX_MESSAGE_BYTES:
        raise InvalidArgument(
            field,
            f"the answer would have {size} bytes, the limit is {MAX_MESSAGE_BYTES}; "
            "send less a call",
        )
    return answer
