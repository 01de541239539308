"""The streaming rpcs: hits page by page, scores as documents come, a growing context."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import numpy as np

from services.index import hits, ngrams
from services.index.engine import Stop
from services.index.hits import Hits
from services.index.limits import check_setting
from services.index.queries import Query
from services.index.registry import LoadedIndex
from services.index.rpc_calls import SHORT, Context, answering, fitting, looked_up, one
from services.index.rpc_documents import DocumentCalls
from services.index.session import Session
from stillhouse.errors import InvalidArgument
from stillhouse.index import answers
from stillhouse.index.types import Distribution
from stillhouse.index.v1 import index_pb2 as pb

_PAGE = 100
_ROWS = 4096  # contexts of a session


class StreamCalls(DocumentCalls):
    """Calls that answer more than once."""

    async def ListHits(
        self, request: pb.ListHitsRequest, context: Context
    ) -> AsyncIterator[pb.ListHitsResponse]:
        """List hits, a page a message; the next page is read when this one is sent."""
        index = self._registry.get(request.index)
        size = request.page_size or min(_PAGE, self._limits.documents)
        check_setting("page_size", size, self._limits.documents)
        found = await self._run(context, lambda stop: self._hits(request, index, stop), short=False)
        at = found.begin(request.page_token)
        end = min(found.count, at + request.limit) if request.limit else found.count
        while True:
            behind = min(at + size, end)

            def work(stop: Stop, at: int = at, behind: int = behind) -> pb.ListHitsResponse:
                with answering("page_size"):
                    page = found.page(at, behind, stop)
                return fitting(answers.page_to_proto(page), "page_size")

            yield await self._run(context, work, short=False)
            at = behind
            if at >= end:
                return

    def _hits(self, request: pb.ListHitsRequest, index: LoadedIndex, stop: Stop) -> Hits:
        excerpt = self._excerpt(request.excerpt)
        kind = request.WhichOneof("of")
        if kind is None:
            raise InvalidArgument("of", "is missing; give query or cnf")
        if kind == "cnf":
            return hits.of_cnf(
                index, self._clauses(request, index), self._near(request), excerpt, stop
            )
        query = one(request.query, "query", self._limits)
        ids = self._one(query, index, stop).batch.values
        return hits.of_ngram(index, ids, excerpt, stop)

    async def ScoreText(
        self, requests: AsyncIterator[pb.ScoreTextRequest], context: Context
    ) -> AsyncIterator[pb.ScoreTextResponse]:
        """Score documents as they come."""
        name = ""
        async for request in requests:
            name = request.index or name
            index = self._registry.get(name)
            query = one(request.query, "query", self._limits)

            def work(
                stop: Stop,
                request: pb.ScoreTextRequest = request,
                index: LoadedIndex = index,
                query: Query = query,
            ) -> pb.ScoreTextResponse:
                work = self._one(query, index, stop)
                with answering("query"):
                    scores = answers.scores_to_proto(ngrams.score(work)[0])
                scores.tokens.CopyFrom(looked_up(work, query))
                return fitting(pb.ScoreTextResponse(id=request.id, scores=scores), "query")

            short = len(query) <= SHORT and not index.engine.remote
            yield await self._run(context, work, short)

    async def DecodeSession(
        self, requests: AsyncIterator[pb.DecodeSessionRequest], context: Context
    ) -> AsyncIterator[pb.DecodeSessionResponse]:
        """Follow growing contexts."""
        index: LoadedIndex | None = None
        sessions: dict[int, Session] = {}
        async for request in requests:
            if index is None:
                index = self._registry.get(request.index)
            elif request.index:
                raise InvalidArgument("index", "belongs into the first message only")
            check_setting("top", request.top, self._limits.next_tokens)
            check_setting("row", request.row, _ROWS - 1)
            session = sessions.setdefault(request.row, Session(index.engine))
            query: Query = np.empty(0, np.uint32)
            if request.HasField("append"):
                query = one(request.append, "append", self._limits)
            if request.reset:
                session.reset()

            def work(
                stop: Stop,
                request: pb.DecodeSessionRequest = request,
                index: LoadedIndex = index,
                session: Session = session,
                query: Query = query,
            ) -> pb.DecodeSessionResponse:
                work = self._one(query, index, stop)
                with answering("top"):
                    found = session.extend(work.batch.values, request.top, stop)
                answer = answers.distribution_to_proto(self._shown(found, request, index))
                answer.tokens.CopyFrom(looked_up(work, query))
                return fitting(pb.DecodeSessionResponse(result=answer), "top")

            yield await self._run(context, work, short=False)

    def _shown(
        self, found: Distribution, request: pb.DecodeSessionRequest, index: LoadedIndex
    ) -> Distribution:
        if found.suffix_length < request.min_suffix:
            return replace(found, tokens=found.tokens[:0], counts=found.counts[:0])
        if len(found.tokens) > self._limits.next_tokens:
            raise InvalidArgument(
                "top",
                f"is {request.top}, with which the answer has {len(found.tokens)} next tokens; "
                f"the limit is {self._limits.next_tokens}; ask for fewer",
            )
        if not request.pieces:
            return found
        return replace(found, pieces=tuple(index.require_tokenizer().pieces(found.tokens)))
