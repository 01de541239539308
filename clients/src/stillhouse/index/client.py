"""Clients of the index service.

    with IndexClient("index:50051") as index:
        index.count("the still").count

Every call raises errors of `stillhouse.errors`: InvalidArgument, NotFound and
FailedPrecondition for what the query asks, Unavailable, ResourceExhausted and
DeadlineExceeded for what may go better on the next try. `index` names one of the
server's indexes and may stay empty where there is only one. Batches of any size are cut
into calls that a server accepts.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Sequence
from typing import TypeVar

from stillhouse.index import answers, calls, convert
from stillhouse.index.calls import Call, Cnf
from stillhouse.index.convert import Ids, Query
from stillhouse.index.session import AsyncSession, Session
from stillhouse.index.types import (
    Attribution,
    CnfHits,
    CountResult,
    Detokenization,
    Distribution,
    Document,
    FindResult,
    HitsPage,
    IndexInfo,
    MatchStatistics,
    Probabilities,
    Probability,
    Scores,
    SearchResult,
    Tokenization,
)
from stillhouse.index.v1 import index_pb2 as pb
from stillhouse.index.v1.index_pb2_grpc import IndexServiceStub
from stillhouse.security import Tls
from stillhouse.transport import AsyncClient, Client
from stillhouse.work_time import timed, timed_async

_R = TypeVar("_R")
_TIMEOUT = 60.0


class IndexClient(Client):
    """Asks an index service; a call takes `timeout` seconds at most."""

    def __init__(
        self,
        target: str,
        timeout: float = _TIMEOUT,
        *,
        tls: Tls | None = None,
        token: str = "",
    ) -> None:
        super().__init__(target, timeout, tls, token)
        self._stub = IndexServiceStub(self._channel)

    def _ask(self, call: Call[_R], timeout: float | None) -> _R:
        method = timed(getattr(self._stub, call.rpc))
        return call.read([self._call(method, request, timeout) for request in call.requests])

    def list_indexes(self, *, timeout: float | None = None) -> tuple[IndexInfo, ...]:
        """The server's indexes in order of their names, ready or still loading."""
        return self._ask(calls.list_indexes(), timeout)

    def load_index(
        self,
        name: str,
        folder: str,
        preload: bool = False,
        digest: str = "",
        *,
        timeout: float | None = None,
    ) -> IndexInfo:
        """Open an index below the server's root under a name, in use or not."""
        return self._ask(calls.load_index(name, folder, preload, digest), timeout)

    def unload_index(self, name: str, *, timeout: float | None = None) -> None:
        """Forget an index."""
        return self._ask(calls.unload_index(name), timeout)

    def set_alias(self, alias: str, name: str, *, timeout: float | None = None) -> None:
        """Point an alias to an index; an empty name removes it."""
        return self._ask(calls.set_alias(alias, name), timeout)

    def count(self, query: Query, index: str = "", *, timeout: float | None = None) -> CountResult:
        """Occurrences of an n-gram; the empty one occurs once at every token."""
        return self._ask(calls.count(query, index), timeout)

    def count_batch(
        self, queries: Iterable[Query], index: str = "", *, timeout: float | None = None
    ) -> tuple[int, ...]:
        """One count per n-gram, in their order."""
        return self._ask(calls.count_batch(queries, index), timeout)

    def find(self, query: Query, index: str = "", *, timeout: float | None = None) -> FindResult:
        """The ranks of an n-gram's occurrences in suffix order."""
        return self._ask(calls.find(query, index), timeout)

    def find_batch(
        self, queries: Iterable[Query], index: str = "", *, timeout: float | None = None
    ) -> tuple[FindResult, ...]:
        """`find` of each n-gram, in their order."""
        return self._ask(calls.find_batch(queries, index), timeout)

    def prob(
        self, query: Query, index: str = "", *, end: bool = False, timeout: float | None = None
    ) -> Probability:
        """How likely the last token, or the document's `end`, follows the rest."""
        return self._ask(calls.prob(query, index, end), timeout)

    def prob_batch(
        self,
        queries: Iterable[Query],
        index: str = "",
        *,
        end: bool = False,
        timeout: float | None = None,
    ) -> Probabilities:
        """`prob` of each query, as columns."""
        return self._ask(calls.prob_batch(queries, index, end), timeout)

    def infgram_prob(
        self, query: Query, index: str = "", *, end: bool = False, timeout: float | None = None
    ) -> Probability:
        """`prob` given the longest suffix of the context that occurs."""
        return self._ask(calls.infgram_prob(query, index, end), timeout)

    def infgram_prob_batch(
        self,
        queries: Iterable[Query],
        index: str = "",
        *,
        end: bool = False,
        timeout: float | None = None,
    ) -> Probabilities:
        """`infgram_prob` of each query, as columns."""
        return self._ask(calls.infgram_prob_batch(queries, index, end), timeout)

    def ntd(
        self,
        query: Query,
        index: str = "",
        *,
        top: int = 0,
        pieces: bool = False,
        timeout: float | None = None,
    ) -> Distribution:
        """What follows a context: the `top` most frequent tokens, or all."""
        return self._ask(calls.ntd(query, index, top, pieces), timeout)

    def ntd_batch(
        self,
        queries: Iterable[Query],
        index: str = "",
        *,
        top: int = 0,
        pieces: bool = False,
        timeout: float | None = None,
    ) -> tuple[Distribution, ...]:
        """`ntd` of each context, in their order."""
        return self._ask(calls.ntd_batch(queries, index, top, pieces), timeout)

    def infgram_ntd(
        self,
        query: Query,
        index: str = "",
        *,
        top: int = 0,
        pieces: bool = False,
        timeout: float | None = None,
    ) -> Distribution:
        """`ntd` of the longest suffix of the context that occurs."""
        return self._ask(calls.infgram_ntd(query, index, top, pieces), timeout)

    def infgram_ntd_batch(
        self,
        queries: Iterable[Query],
        index: str = "",
        *,
        top: int = 0,
        pieces: bool = False,
        timeout: float | None = None,
    ) -> tuple[Distribution, ...]:
        """`infgram_ntd` of each context, in their order."""
        return self._ask(calls.infgram_ntd_batch(queries, index, top, pieces), timeout)

    def score(self, query: Query, index: str = "", *, timeout: float | None = None) -> Scores:
        """`infgram_prob` of every token given all before it."""
        return self._ask(calls.score(query, index), timeout)

    def score_batch(
        self, queries: Iterable[Query], index: str = "", *, timeout: float | None = None
    ) -> tuple[Scores, ...]:
        """`score` of each sequence, in their order."""
        return self._ask(calls.score_batch(queries, index), timeout)

    def match_lengths(
        self, query: Query, index: str = "", *, timeout: float | None = None
    ) -> MatchStatistics:
        """The longest match in the corpus from each position, and how often it occurs."""
        return self._ask(calls.match_lengths(query, index), timeout)

    def match_lengths_batch(
        self, queries: Iterable[Query], index: str = "", *, timeout: float | None = None
    ) -> tuple[MatchStatistics, ...]:
        """`match_lengths` of each sequence, in their order."""
        return self._ask(calls.match_lengths_batch(queries, index), timeout)

    def count_cnf(
        self,
        cnf: Cnf,
        index: str = "",
        *,
        max_diff_tokens: int | None = None,
        timeout: float | None = None,
    ) -> int:
        """Places where every clause has one of its n-grams, near each other."""
        return self._ask(calls.count_cnf(cnf, index, max_diff_tokens), timeout)

    def count_cnf_batch(
        self,
        cnfs: Iterable[Cnf],
        index: str = "",
        *,
        max_diff_tokens: int | None = None,
        timeout: float | None = None,
    ) -> tuple[int, ...]:
        """`count_cnf` of each query, in their order."""
        return self._ask(calls.count_cnf_batch(cnfs, index, max_diff_tokens), timeout)

    def find_cnf(
        self,
        cnf: Cnf,
        index: str = "",
        *,
        max_diff_tokens: int | None = None,
        limit: int = 0,
        timeout: float | None = None,
    ) -> CnfHits:
        """The first positions that `count_cnf` counts."""
        return self._ask(calls.find_cnf(cnf, index, max_diff_tokens, limit), timeout)

    def find_cnf_batch(
        self,
        cnfs: Iterable[Cnf],
        index: str = "",
        *,
        max_diff_tokens: int | None = None,
        limit: int = 0,
        timeout: float | None = None,
    ) -> tuple[CnfHits, ...]:
        """`find_cnf` of each query, in their order."""
        return self._ask(calls.find_cnf_batch(cnfs, index, max_diff_tokens, limit), timeout)

    def attribute(
        self,
        query: Query,
        index: str = "",
        *,
        min_length: int = 1,
        max_count: int | None = None,
        delimiters: Sequence[int] = (),
        whole_words: bool = False,
        documents: int = 10,
        timeout: float | None = None,
    ) -> Attribution:
        """The maximal stretches of a text that occur in the corpus, and where."""
        return self._ask(
            calls.attribute(
                query,
                index,
                calls.attribute_options(min_length, max_count, delimiters, whole_words, documents),
            ),
            timeout,
        )

    def attribute_batch(
        self,
        queries: Iterable[Query],
        index: str = "",
        *,
        min_length: int = 1,
        max_count: int | None = None,
        delimiters: Sequence[int] = (),
        whole_words: bool = False,
        documents: int = 10,
        timeout: float | None = None,
    ) -> tuple[Attribution, ...]:
        """`attribute` of each text, in their order."""
        return self._ask(
            calls.attribute_batch(
                queries,
                index,
                calls.attribute_options(min_length, max_count, delimiters, whole_words, documents),
            ),
            timeout,
        )

    def search_docs(
        self,
        query: Query,
        index: str = "",
        *,
        limit: int = 10,
        seed: int = 0,
        context: int | None = None,
        timeout: float | None = None,
    ) -> SearchResult:
        """Different documents that hold an n-gram, drawn at random."""
        return self._ask(calls.search_docs(query, index, limit, seed, context), timeout)

    def search_docs_batch(
        self,
        queries: Iterable[Query],
        index: str = "",
        *,
        limit: int = 10,
        seed: int = 0,
        context: int | None = None,
        timeout: float | None = None,
    ) -> tuple[SearchResult, ...]:
        """`search_docs` of each n-gram, in their order."""
        return self._ask(calls.search_docs_batch(queries, index, limit, seed, context), timeout)

    def doc_by_rank(
        self,
        rank: int,
        index: str = "",
        *,
        context: int | None = None,
        match_length: int = 0,
        timeout: float | None = None,
    ) -> Document:
        """The document at a rank that `find` gave, `context` tokens on each side."""
        return self._ask(calls.doc_by_rank(rank, index, context, match_length), timeout)

    def doc_by_rank_batch(
        self,
        ranks: Iterable[int],
        index: str = "",
        *,
        context: int | None = None,
        match_length: int = 0,
        timeout: float | None = None,
    ) -> tuple[Document, ...]:
        """`doc_by_rank` of each rank, in their order."""
        return self._ask(calls.doc_by_rank_batch(ranks, index, context, match_length), timeout)

    def doc_by_position(
        self,
        position: int,
        index: str = "",
        *,
        context: int | None = None,
        match_length: int = 0,
        timeout: float | None = None,
    ) -> Document:
        """The document around a position of the corpus."""
        return self._ask(calls.doc_by_position(position, index, context, match_length), timeout)

    def doc_by_position_batch(
        self,
        positions: Iterable[int],
        index: str = "",
        *,
        context: int | None = None,
        match_length: int = 0,
        timeout: float | None = None,
    ) -> tuple[Document, ...]:
        """`doc_by_position` of each position, in their order."""
        return self._ask(
            calls.doc_by_position_batch(positions, index, context, match_length), timeout
        )

    def tokenize(self, text: str, index: str = "", *, timeout: float | None = None) -> Tokenization:
        """The tokens of a text by the index's own tokenizer."""
        return self._ask(calls.tokenize(text, index), timeout)

    def tokenize_batch(
        self, texts: Iterable[str], index: str = "", *, timeout: float | None = None
    ) -> tuple[Tokenization, ...]:
        """`tokenize` of each text, in their order."""
        return self._ask(calls.tokenize_batch(texts, index), timeout)

    def detokenize(
        self, ids: Ids, index: str = "", *, timeout: float | None = None
    ) -> Detokenization:
        """Token ids as text, by the index's own tokenizer."""
        return self._ask(calls.detokenize(ids, index), timeout)

    def detokenize_batch(
        self, sequences: Iterable[Ids], index: str = "", *, timeout: float | None = None
    ) -> tuple[Detokenization, ...]:
        """`detokenize` of each sequence, in their order."""
        return self._ask(calls.detokenize_batch(sequences, index), timeout)

    def list_hits(
        self,
        query: Query | None = None,
        cnf: Cnf | None = None,
        index: str = "",
        *,
        max_diff_tokens: int | None = None,
        page_size: int = 0,
        page_token: str = "",
        limit: int = 0,
        context: int | None = None,
        timeout: float | None = None,
    ) -> Iterator[HitsPage]:
        """Every hit of an n-gram or a CNF query, page by page; a page's token goes on behind it."""
        request = calls.list_hits(
            query, cnf, index, max_diff_tokens, page_size, page_token, limit, context
        )
        for message in self._stream(self._stub.ListHits, request, timeout):
            yield answers.page_from_proto(message)

    def score_text(
        self, queries: Iterable[Query], index: str = "", *, timeout: float | None = None
    ) -> Iterator[Scores]:
        """`score` of documents as they come, over one stream."""
        requests = (
            pb.ScoreTextRequest(index=index, query=convert.query_to_proto(one)) for one in queries
        )
        for message in self._exchange(self._stub.ScoreText, requests, timeout):
            yield answers.scores_from_proto(message.scores)

    def decode(
        self,
        appended: Iterable[Query],
        index: str = "",
        *,
        top: int = 0,
        pieces: bool = False,
        timeout: float | None = None,
    ) -> Iterator[Distribution]:
        """What follows a context that grows by each of `appended`, read one ahead at most."""
        requests = calls.decode(appended, index, top, pieces)
        for message in self._exchange(self._stub.DecodeSession, requests, timeout):
            yield answers.distribution_from_proto(message.result)

    def session(self, index: str = "", *, top: int = 0, min_suffix: int = 0) -> Session:
        """Growing contexts that are asked step by step.

        Answers from suffixes shorter than `min_suffix` come without their next tokens.
        """
        return Session(
            lambda requests: self._exchange(self._stub.DecodeSession, requests, None),
            index, top, min_suffix,
        )  # fmt: skip


class AsyncIndexClient(AsyncClient):
    """`IndexClient` for asyncio."""

    def __init__(
        self,
        target: str,
        timeout: float = _TIMEOUT,
        *,
        tls: Tls | None = None,
        token: str = "",
    ) -> None:
        super().__init__(target, timeout, tls, token)
        self._stub = IndexServiceStub(self._channel)

    async def _ask(self, call: Call[_R], timeout: float | None) -> _R:
        method = timed_async(getattr(self._stub, call.rpc))
        return call.read([await self._call(method, request, timeout) for request in call.requests])

    async def list_indexes(self, *, timeout: float | None = None) -> tuple[IndexInfo, ...]:
        """As `IndexClient.list_indexes`."""
        return await self._ask(calls.list_indexes(), timeout)

    async def load_index(
        self,
        name: str,
        folder: str,
        preload: bool = False,
        digest: str = "",
        *,
        timeout: float | None = None,
    ) -> IndexInfo:
        """As `IndexClient.load_index`."""
        return await self._ask(calls.load_index(name, folder, preload, digest), timeout)

    async def unload_index(self, name: str, *, timeout: float | None = None) -> None:
        """As `IndexClient.unload_index`."""
        return await self._ask(calls.unload_index(name), timeout)

    async def set_alias(self, alias: str, name: str, *, timeout: float | None = None) -> None:
        """As `IndexClient.set_alias`."""
        return await self._ask(calls.set_alias(alias, name), timeout)

    async def count(
        self, query: Query, index: str = "", *, timeout: float | None = None
    ) -> CountResult:
        """As `IndexClient.count`."""
        return await self._ask(calls.count(query, index), timeout)

    async def count_batch(
        self, queries: Iterable[Query], index: str = "", *, timeout: float | None = None
    ) -> tuple[int, ...]:
        """As `IndexClient.count_batch`."""
        return await self._ask(calls.count_batch(queries, index), timeout)

    async def find(
        self, query: Query, index: str = "", *, timeout: float | None = None
    ) -> FindResult:
        """As `IndexClient.find`."""
        return await self._ask(calls.find(query, index), timeout)

    async def find_batch(
        self, queries: Iterable[Query], index: str = "", *, timeout: float | None = None
    ) -> tuple[FindResult, ...]:
        """As `IndexClient.find_batch`."""
        return await self._ask(calls.find_batch(queries, index), timeout)

    async def prob(
        self, query: Query, index: str = "", *, end: bool = False, timeout: float | None = None
    ) -> Probability:
        """As `IndexClient.prob`."""
        return await self._ask(calls.prob(query, index, end), timeout)

    async def prob_batch(
        self,
        queries: Iterable[Query],
        index: str = "",
        *,
        end: bool = False,
        timeout: float | None = None,
    ) -> Probabilities:
        """As `IndexClient.prob_batch`."""
        return await self._ask(calls.prob_batch(queries, index, end), timeout)

    async def infgram_prob(
        self, query: Query, index: str = "", *, end: bool = False, timeout: float | None = None
    ) -> Probability:
        """As `IndexClient.infgram_prob`."""
        return await self._ask(calls.infgram_prob(query, index, end), timeout)

    async def infgram_prob_batch(
        self,
        queries: Iterable[Query],
        index: str = "",
        *,
        end: bool = False,
        timeout: float | None = None,
    ) -> Probabilities:
        """As `IndexClient.infgram_prob_batch`."""
        return await self._ask(calls.infgram_prob_batch(queries, index, end), timeout)

    async def ntd(
        self,
        query: Query,
        index: str = "",
        *,
        top: int = 0,
        pieces: bool = False,
        timeout: float | None = None,
    ) -> Distribution:
        """As `IndexClient.ntd`."""
        return await self._ask(calls.ntd(query, index, top, pieces), timeout)

    async def ntd_batch(
        self,
        queries: Iterable[Query],
        index: str = "",
        *,
        top: int = 0,
        pieces: bool = False,
        timeout: float | None = None,
    ) -> tuple[Distribution, ...]:
        """As `IndexClient.ntd_batch`."""
        return await self._ask(calls.ntd_batch(queries, index, top, pieces), timeout)

    async def infgram_ntd(
        self,
        query: Query,
        index: str = "",
        *,
        top: int = 0,
        pieces: bool = False,
        timeout: float | None = None,
    ) -> Distribution:
        """As `IndexClient.infgram_ntd`."""
        return await self._ask(calls.infgram_ntd(query, index, top, pieces), timeout)

    async def infgram_ntd_batch(
        self,
        queries: Iterable[Query],
        index: str = "",
        *,
        top: int = 0,
        pieces: bool = False,
        timeout: float | None = None,
    ) -> tuple[Distribution, ...]:
        """As `IndexClient.infgram_ntd_batch`."""
        return await self._ask(calls.infgram_ntd_batch(queries, index, top, pieces), timeout)

    async def score(self, query: Query, index: str = "", *, timeout: float | None = None) -> Scores:
        """As `IndexClient.score`."""
        return await self._ask(calls.score(query, index), timeout)

    async def score_batch(
        self, queries: Iterable[Query], index: str = "", *, timeout: float | None = None
    ) -> tuple[Scores, ...]:
        """As `IndexClient.score_batch`."""
        return await self._ask(calls.score_batch(queries, index), timeout)

    async def match_lengths(
        self, query: Query, index: str = "", *, timeout: float | None = None
    ) -> MatchStatistics:
        """As `IndexClient.match_lengths`."""
        return await self._ask(calls.match_lengths(query, index), timeout)

    async def match_lengths_batch(
        self, queries: Iterable[Query], index: str = "", *, timeout: float | None = None
    ) -> tuple[MatchStatistics, ...]:
        """As `IndexClient.match_lengths_batch`."""
        return await self._ask(calls.match_lengths_batch(queries, index), timeout)

    async def count_cnf(
        self,
        cnf: Cnf,
        index: str = "",
        *,
        max_diff_tokens: int | None = None,
        timeout: float | None = None,
    ) -> int:
        """As `IndexClient.count_cnf`."""
        return await self._ask(calls.count_cnf(cnf, index, max_diff_tokens), timeout)

    async def count_cnf_batch(
        self,
        cnfs: Iterable[Cnf],
        index: str = "",
        *,
        max_diff_tokens: int | None = None,
        timeout: float | None = None,
    ) -> tuple[int, ...]:
        """As `IndexClient.count_cnf_batch`."""
        return await self._ask(calls.count_cnf_batch(cnfs, index, max_diff_tokens), timeout)

    async def find_cnf(
        self,
        cnf: Cnf,
        index: str = "",
        *,
        max_diff_tokens: int | None = None,
        limit: int = 0,
        timeout: float | None = None,
    ) -> CnfHits:
        """As `IndexClient.find_cnf`."""
        return await self._ask(calls.find_cnf(cnf, index, max_diff_tokens, limit), timeout)

    async def find_cnf_batch(
        self,
        cnfs: Iterable[Cnf],
        index: str = "",
        *,
        max_diff_tokens: int | None = None,
        limit: int = 0,
        timeout: float | None = None,
    ) -> tuple[CnfHits, ...]:
        """As `IndexClient.find_cnf_batch`."""
        return await self._ask(calls.find_cnf_batch(cnfs, index, max_diff_tokens, limit), timeout)

    async def attribute(
        self,
        query: Query,
        index: str = "",
        *,
        min_length: int = 1,
        max_count: int | None = None,
        delimiters: Sequence[int] = (),
        whole_words: bool = False,
        documents: int = 10,
        timeout: float | None = None,
    ) -> Attribution:
        """As `IndexClient.attribute`."""
        return await self._ask(
            calls.attribute(
                query,
                index,
                calls.attribute_options(min_length, max_count, delimiters, whole_words, documents),
            ),
            timeout,
        )

    async def attribute_batch(
        self,
        queries: Iterable[Query],
        index: str = "",
        *,
        min_length: int = 1,
        max_count: int | None = None,
        delimiters: Sequence[int] = (),
        whole_words: bool = False,
        documents: int = 10,
        timeout: float | None = None,
    ) -> tuple[Attribution, ...]:
        """As `IndexClient.attribute_batch`."""
        return await self._ask(
            calls.attribute_batch(
                queries,
                index,
                calls.attribute_options(min_length, max_count, delimiters, whole_words, documents),
            ),
            timeout,
        )

    async def search_docs(
        self,
        query: Query,
        index: str = "",
        *,
        limit: int = 10,
        seed: int = 0,
        context: int | None = None,
        timeout: float | None = None,
    ) -> SearchResult:
        """As `IndexClient.search_docs`."""
        return await self._ask(calls.search_docs(query, index, limit, seed, context), timeout)

    async def search_docs_batch(
        self,
        queries: Iterable[Query],
        index: str = "",
        *,
        limit: int = 10,
        seed: int = 0,
        context: int | None = None,
        timeout: float | None = None,
    ) -> tuple[SearchResult, ...]:
        """As `IndexClient.search_docs_batch`."""
        return await self._ask(
            calls.search_docs_batch(queries, index, limit, seed, context), timeout
        )

    async def doc_by_rank(
        self,
        rank: int,
        index: str = "",
        *,
        context: int | None = None,
        match_length: int = 0,
        timeout: float | None = None,
    ) -> Document:
        """As `IndexClient.doc_by_rank`."""
        return await self._ask(calls.doc_by_rank(rank, index, context, match_length), timeout)

    async def doc_by_rank_batch(
        self,
        ranks: Iterable[int],
        index: str = "",
        *,
        context: int | None = None,
        match_length: int = 0,
        timeout: float | None = None,
    ) -> tuple[Document, ...]:
        """As `IndexClient.doc_by_rank_batch`."""
        return await self._ask(
            calls.doc_by_rank_batch(ranks, index, context, match_length), timeout
        )

    async def doc_by_position(
        self,
        position: int,
        index: str = "",
        *,
        context: int | None = None,
        match_length: int = 0,
        timeout: float | None = None,
    ) -> Document:
        """As `IndexClient.doc_by_position`."""
        return await self._ask(
            calls.doc_by_position(position, index, context, match_length), timeout
        )

    async def doc_by_position_batch(
        self,
        positions: Iterable[int],
        index: str = "",
        *,
        context: int | None = None,
        match_length: int = 0,
        timeout: float | None = None,
    ) -> tuple[Document, ...]:
        """As `IndexClient.doc_by_position_batch`."""
        return await self._ask(
            calls.doc_by_position_batch(positions, index, context, match_length), timeout
        )

    async def tokenize(
        self, text: str, index: str = "", *, timeout: float | None = None
    ) -> Tokenization:
        """As `IndexClient.tokenize`."""
        return await self._ask(calls.tokenize(text, index), timeout)

    async def tokenize_batch(
        self, texts: Iterable[str], index: str = "", *, timeout: float | None = None
    ) -> tuple[Tokenization, ...]:
        """As `IndexClient.tokenize_batch`."""
        return await self._ask(calls.tokenize_batch(texts, index), timeout)

    async def detokenize(
        self, ids: Ids, index: str = "", *, timeout: float | None = None
    ) -> Detokenization:
        """As `IndexClient.detokenize`."""
        return await self._ask(calls.detokenize(ids, index), timeout)

    async def detokenize_batch(
        self, sequences: Iterable[Ids], index: str = "", *, timeout: float | None = None
    ) -> tuple[Detokenization, ...]:
        """As `IndexClient.detokenize_batch`."""
        return await self._ask(calls.detokenize_batch(sequences, index), timeout)

    async def list_hits(
        self,
        query: Query | None = None,
        cnf: Cnf | None = None,
        index: str = "",
        *,
        max_diff_tokens: int | None = None,
        page_size: int = 0,
        page_token: str = "",
        limit: int = 0,
        context: int | None = None,
        timeout: float | None = None,
    ) -> AsyncIterator[HitsPage]:
        """As `IndexClient.list_hits`."""
        request = calls.list_hits(
            query, cnf, index, max_diff_tokens, page_size, page_token, limit, context
        )
        async for message in self._stream(self._stub.ListHits, request, timeout):
            yield answers.page_from_proto(message)

    async def score_text(
        self, queries: AsyncIterable[Query], index: str = "", *, timeout: float | None = None
    ) -> AsyncIterator[Scores]:
        """As `IndexClient.score_text`."""

        async def requests() -> AsyncIterator[pb.ScoreTextRequest]:
            async for one in queries:
                yield pb.ScoreTextRequest(index=index, query=convert.query_to_proto(one))

        async for message in self._exchange(self._stub.ScoreText, requests(), timeout):
            yield answers.scores_from_proto(message.scores)

    async def decode(
        self,
        appended: AsyncIterable[Query],
        index: str = "",
        *,
        top: int = 0,
        pieces: bool = False,
        timeout: float | None = None,
    ) -> AsyncIterator[Distribution]:
        """As `IndexClient.decode`."""

        async def requests() -> AsyncIterator[pb.DecodeSessionRequest]:
            name = index
            async for one in appended:
                yield calls.decode_step(one, name, top, pieces)
                name = ""

        async for message in self._exchange(self._stub.DecodeSession, requests(), timeout):
            yield answers.distribution_from_proto(message.result)

    def session(self, index: str = "", *, top: int = 0, min_suffix: int = 0) -> AsyncSession:
        """As `IndexClient.session`."""
        return AsyncSession(
            lambda requests: self._exchange(self._stub.DecodeSession, requests, None),
            index, top, min_suffix,
        )  # fmt: skip
