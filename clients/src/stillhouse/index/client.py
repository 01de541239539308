"""Clients of the index service.

    with IndexClient("index:50051") as index:
        index.count("the still").count

Every call raises errors of `stillhouse.errors`: InvalidArgument, NotFound and
FailedPrecondition for what the query asks, Unavailable and DeadlineExceeded for what
may go better on the next try. `index` names one of the server's indexes and may stay
empty where there is only one.
"""

from __future__ import annotations

from collections.abc import Iterable

from stillhouse.index import convert
from stillhouse.index.convert import Query
from stillhouse.index.types import CountResult, IndexInfo, MatchStatistics, Tokenization
from stillhouse.index.v1 import index_pb2 as pb
from stillhouse.index.v1.index_pb2_grpc import IndexServiceStub
from stillhouse.transport import AsyncClient, Client

_TIMEOUT = 60.0


class IndexClient(Client):
    """Asks an index service; a call takes `timeout` seconds at most."""

    def __init__(self, target: str, timeout: float = _TIMEOUT) -> None:
        super().__init__(target, timeout)
        self._stub = IndexServiceStub(self._channel)

    def list_indexes(self, *, timeout: float | None = None) -> tuple[IndexInfo, ...]:
        """The server's indexes in order of their names, ready or still loading."""
        return _infos(self._call(self._stub.ListIndexes, pb.ListIndexesRequest(), timeout))

    def count(self, query: Query, index: str = "", *, timeout: float | None = None) -> CountResult:
        """Occurrences of an n-gram; the empty one occurs once at every token."""
        return convert.count_from_proto(self._call(self._stub.Count, _count(query, index), timeout))

    def count_batch(
        self, queries: Iterable[Query], index: str = "", *, timeout: float | None = None
    ) -> tuple[int, ...]:
        """One count per n-gram, in their order."""
        answer = self._call(self._stub.CountBatch, _count_batch(queries, index), timeout)
        return tuple(answer.counts)

    def match_lengths(
        self, query: Query, index: str = "", *, timeout: float | None = None
    ) -> MatchStatistics:
        """The longest match in the corpus from each position, and how often it occurs."""
        return convert.match_from_proto(
            self._call(self._stub.MatchLengths, _match(query, index), timeout)
        )

    def match_lengths_batch(
        self, queries: Iterable[Query], index: str = "", *, timeout: float | None = None
    ) -> tuple[MatchStatistics, ...]:
        """`match_lengths` of each sequence, in their order."""
        return _matches(
            self._call(self._stub.MatchLengthsBatch, _match_batch(queries, index), timeout)
        )

    def tokenize(self, text: str, index: str = "", *, timeout: float | None = None) -> Tokenization:
        """The tokens of a text by the index's own tokenizer."""
        return convert.tokenization_from_proto(
            self._call(self._stub.Tokenize, pb.TokenizeRequest(index=index, text=text), timeout)
        )

    def tokenize_batch(
        self, texts: Iterable[str], index: str = "", *, timeout: float | None = None
    ) -> tuple[Tokenization, ...]:
        """`tokenize` of each text, in their order."""
        return _tokenizations(self._call(self._stub.TokenizeBatch, _texts(texts, index), timeout))


class AsyncIndexClient(AsyncClient):
    """`IndexClient` for asyncio."""

    def __init__(self, target: str, timeout: float = _TIMEOUT) -> None:
        super().__init__(target, timeout)
        self._stub = IndexServiceStub(self._channel)

    async def list_indexes(self, *, timeout: float | None = None) -> tuple[IndexInfo, ...]:
        """As `IndexClient.list_indexes`."""
        return _infos(await self._call(self._stub.ListIndexes, pb.ListIndexesRequest(), timeout))

    async def count(
        self, query: Query, index: str = "", *, timeout: float | None = None
    ) -> CountResult:
        """As `IndexClient.count`."""
        return convert.count_from_proto(
            await self._call(self._stub.Count, _count(query, index), timeout)
        )

    async def count_batch(
        self, queries: Iterable[Query], index: str = "", *, timeout: float | None = None
    ) -> tuple[int, ...]:
        """As `IndexClient.count_batch`."""
        answer = await self._call(self._stub.CountBatch, _count_batch(queries, index), timeout)
        return tuple(answer.counts)

    async def match_lengths(
        self, query: Query, index: str = "", *, timeout: float | None = None
    ) -> MatchStatistics:
        """As `IndexClient.match_lengths`."""
        answer = await self._call(self._stub.MatchLengths, _match(query, index), timeout)
        return convert.match_from_proto(answer)

    async def match_lengths_batch(
        self, queries: Iterable[Query], index: str = "", *, timeout: float | None = None
    ) -> tuple[MatchStatistics, ...]:
        """As `IndexClient.match_lengths_batch`."""
        request = _match_batch(queries, index)
        return _matches(await self._call(self._stub.MatchLengthsBatch, request, timeout))

    async def tokenize(
        self, text: str, index: str = "", *, timeout: float | None = None
    ) -> Tokenization:
        """As `IndexClient.tokenize`."""
        return convert.tokenization_from_proto(
            await self._call(
                self._stub.Tokenize, pb.TokenizeRequest(index=index, text=text), timeout
            )
        )

    async def tokenize_batch(
        self, texts: Iterable[str], index: str = "", *, timeout: float | None = None
    ) -> tuple[Tokenization, ...]:
        """As `IndexClient.tokenize_batch`."""
        return _tokenizations(
            await self._call(self._stub.TokenizeBatch, _texts(texts, index), timeout)
        )


def _count(query: Query, index: str) -> pb.CountRequest:
    return pb.CountRequest(index=index, query=convert.query_to_proto(query))


def _count_batch(queries: Iterable[Query], index: str) -> pb.CountBatchRequest:
    return pb.CountBatchRequest(index=index, queries=convert.queries_to_proto(queries))


def _match(query: Query, index: str) -> pb.MatchLengthsRequest:
    return pb.MatchLengthsRequest(index=index, query=convert.query_to_proto(query))


def _match_batch(queries: Iterable[Query], index: str) -> pb.MatchLengthsBatchRequest:
    return pb.MatchLengthsBatchRequest(index=index, queries=convert.queries_to_proto(queries))


def _texts(texts: Iterable[str], index: str) -> pb.TokenizeBatchRequest:
    return pb.TokenizeBatchRequest(index=index, texts=texts)


def _infos(answer: pb.ListIndexesResponse) -> tuple[IndexInfo, ...]:
    return tuple(map(convert.info_from_proto, answer.indexes))


def _matches(answer: pb.MatchLengthsBatchResponse) -> tuple[MatchStatistics, ...]:
    return tuple(map(convert.match_from_proto, answer.matches))


def _tokenizations(answer: pb.TokenizeBatchResponse) -> tuple[Tokenization, ...]:
    return tuple(map(convert.tokenization_from_proto, answer.results))
