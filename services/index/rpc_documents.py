"""The rpcs about documents, co-occurrence and attribution."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from services.index import attribution, cnf, documents
from services.index.attribution import Options
from services.index.corpus import Excerpt
from services.index.engine import Stop
from services.index.queries import Work
from services.index.registry import LoadedIndex
from services.index.rpc_calls import NEVER, Calls, Context, fitting
from stillhouse.errors import InvalidArgument
from stillhouse.index import answers, convert
from stillhouse.index.v1 import index_pb2 as pb

_CnfRequest = (
    pb.CountCnfRequest
    | pb.CountCnfBatchRequest
    | pb.FindCnfRequest
    | pb.FindCnfBatchRequest
    | pb.ListHitsRequest
)


class DocumentCalls(Calls):
    """Documents, places near each other, and where a text comes from."""

    async def CountCnf(self, request: pb.CountCnfRequest, context: Context) -> pb.CountCnfResponse:
        """Count one CNF query."""
        counts = await self._count_cnfs(request, ["cnf"], [_cnf(request)], context)
        return pb.CountCnfResponse(count=counts[0])

    async def CountCnfBatch(
        self, request: pb.CountCnfBatchRequest, context: Context
    ) -> pb.CountCnfBatchResponse:
        """Count many CNF queries."""
        counts = await self._count_cnfs(request, _numbered(request.cnfs), request.cnfs, context)
        return pb.CountCnfBatchResponse(counts=counts)

    async def _count_cnfs(
        self,
        request: pb.CountCnfRequest | pb.CountCnfBatchRequest,
        fields: Sequence[str],
        messages: Sequence[pb.Cnf],
        context: Context,
    ) -> list[int]:
        index, near = self._registry.get(request.index), self._near(request)
        asked = self._cnfs(fields, messages, near)
        anchor = _which(request, asked).anchor

        def work(stop: Stop) -> list[int]:
            pairs = zip(fields, asked, strict=True)
            clauses = [cnf.to_clauses(*pair, index, self._limits) for pair in pairs]
            return [cnf.count(index, one, near, anchor, stop) for one in clauses]

        return await self._run(context, work, short=False)

    async def FindCnf(self, request: pb.FindCnfRequest, context: Context) -> pb.FindCnfResponse:
        """Find the places of one CNF query."""
        return (await self._find_cnfs(request, ["cnf"], [_cnf(request)], context)).results[0]

    async def FindCnfBatch(
        self, request: pb.FindCnfBatchRequest, context: Context
    ) -> pb.FindCnfBatchResponse:
        """Find the places of many CNF queries."""
        return await self._find_cnfs(request, _numbered(request.cnfs), request.cnfs, context)

    async def _find_cnfs(
        self,
        request: pb.FindCnfRequest | pb.FindCnfBatchRequest,
        fields: Sequence[str],
        messages: Sequence[pb.Cnf],
        context: Context,
    ) -> pb.FindCnfBatchResponse:
        index, near = self._registry.get(request.index), self._near(request)
        asked = self._cnfs(fields, messages, near)
        which = _which(request, asked)

        def work(stop: Stop) -> pb.FindCnfBatchResponse:
            answer = pb.FindCnfBatchResponse()
            for field, one in zip(fields, asked, strict=True):
                clauses = cnf.to_clauses(field, one, index, self._limits)
                hits = cnf.find(index, clauses, near, which, self._limits, stop)
                answer.results.append(answers.cnf_hits_to_proto(hits))
                fitting(answer, "limit")
            return answer

        return await self._run(context, work, short=False)

    def _cnfs(
        self, fields: Sequence[str], messages: Sequence[pb.Cnf], near: int
    ) -> list[cnf.Asked]:
        asked = [_asked(*pair) for pair in zip(messages, fields, strict=True)]
        cnf.check_asked(fields, asked, near, self._limits)
        return asked

    async def Attribute(
        self, request: pb.AttributeRequest, context: Context
    ) -> pb.AttributeResponse:
        """Trace one text."""

        def work(work: Work) -> pb.AttributeResponse:
            found = attribution.attribute(work, _options(request.options))
            return answers.attribution_to_proto(found[0])

        return await self._answer_one(request, context, work, cuts=True, short=NEVER)

    async def AttributeBatch(
        self, request: pb.AttributeBatchRequest, context: Context
    ) -> pb.AttributeBatchResponse:
        """Trace many texts."""

        def work(work: Work) -> pb.AttributeBatchResponse:
            found = attribution.attribute(work, _options(request.options))
            return pb.AttributeBatchResponse(results=map(answers.attribution_to_proto, found))

        return await self._answer_many(request, context, work, cuts=True, short=NEVER)

    async def SearchDocs(
        self, request: pb.SearchDocsRequest, context: Context
    ) -> pb.SearchDocsResponse:
        """Draw documents with one n-gram."""

        def work(work: Work) -> pb.SearchDocsResponse:
            found = documents.search(work, request.limit, request.seed, _context(request.excerpt))
            return answers.search_to_proto(found[0])

        return await self._answer_one(request, context, work, short=NEVER)

    async def SearchDocsBatch(
        self, request: pb.SearchDocsBatchRequest, context: Context
    ) -> pb.SearchDocsBatchResponse:
        """Draw documents with many n-grams."""

        def work(work: Work) -> pb.SearchDocsBatchResponse:
            found = documents.search(work, request.limit, request.seed, _context(request.excerpt))
            return pb.SearchDocsBatchResponse(results=map(answers.search_to_proto, found))

        return await self._answer_many(request, context, work, short=NEVER)

    async def DocByRank(
        self, request: pb.DocByRankRequest, context: Context
    ) -> pb.DocByRankResponse:
        """The document of one rank."""
        found = await self._documents(request, "rank", [request.rank], context)
        return pb.DocByRankResponse(document=found[0])

    async def DocByRankBatch(
        self, request: pb.DocByRankBatchRequest, context: Context
    ) -> pb.DocByRankBatchResponse:
        """The documents of many ranks."""
        found = await self._documents(request, "ranks[{}]", request.ranks, context)
        return fitting(pb.DocByRankBatchResponse(documents=found), "ranks")

    async def DocByPosition(
        self, request: pb.DocByPositionRequest, context: Context
    ) -> pb.DocByPositionResponse:
        """The document of one position."""
        found = await self._documents(request, "position", [request.position], context)
        return pb.DocByPositionResponse(document=found[0])

    async def DocByPositionBatch(
        self, request: pb.DocByPositionBatchRequest, context: Context
    ) -> pb.DocByPositionBatchResponse:
        """The documents of many positions."""
        found = await self._documents(request, "positions[{}]", request.positions, context)
        return fitting(pb.DocByPositionBatchResponse(documents=found), "positions")

    async def _documents(
        self,
        request: pb.DocByRankRequest
        | pb.DocByRankBatchRequest
        | pb.DocByPositionRequest
        | pb.DocByPositionBatchRequest,
        field: str,
        places: Sequence[int],
        context: Context,
    ) -> list[pb.Document]:
        index = self._registry.get(request.index)
        how = self._excerpt(request.excerpt)
        find = documents.by_ranks if field.startswith("rank") else documents.by_positions

        def work(stop: Stop) -> list[pb.Document]:
            found = find(index, np.array(places, np.uint64), field, how, self._limits, stop)
            return [answers.document_to_proto(one) for one in found]

        return await self._run(context, work, short=False)

    def _near(self, request: _CnfRequest) -> int:
        """The distance that was asked for, or the default."""
        if request.HasField("max_diff_tokens"):
            return request.max_diff_tokens
        return min(cnf.DEFAULT_DIFF_TOKENS, self._limits.diff_tokens)

    def _excerpt(self, message: pb.Excerpt) -> Excerpt:
        return documents.excerpt(_context(message), message.match_length, self._limits)

    def _clauses(self, request: pb.ListHitsRequest, index: LoadedIndex) -> cnf.Clauses:
        asked = self._cnfs(["cnf"], [request.cnf], self._near(request))
        return cnf.to_clauses("cnf", asked[0], index, self._limits)


def _cnf(request: pb.CountCnfRequest | pb.FindCnfRequest) -> pb.Cnf:
    if not request.HasField("cnf"):
        raise InvalidArgument("cnf", "is missing; give clauses")
    return request.cnf


def _which(
    request: pb.CountCnfRequest
    | pb.CountCnfBatchRequest
    | pb.FindCnfRequest
    | pb.FindCnfBatchRequest,
    asked: Sequence[cnf.Asked],
) -> cnf.Which:
    """What single requests may choose; InvalidArgument for an anchor that is no clause."""
    if isinstance(request, pb.CountCnfBatchRequest):
        return cnf.Which()
    if isinstance(request, pb.FindCnfBatchRequest):
        return cnf.Which(limit=request.limit)
    anchor = request.anchor if request.HasField("anchor") else None
    if anchor is not None and anchor >= len(asked[0]):
        raise InvalidArgument(
            "anchor", f"is {anchor}; the query has {len(asked[0])} clauses, counted from 0"
        )
    if isinstance(request, pb.CountCnfRequest):
        return cnf.Which(anchor)
    return cnf.Which(anchor, request.skip, request.limit)


def _asked(message: pb.Cnf, field: str) -> cnf.Asked:
    return [
        [
            convert.query_from_proto(ngram, f"{field}.clauses[{i}].any_of[{j}]")
            for j, ngram in enumerate(clause.any_of)
        ]
        for i, clause in enumerate(message.clauses)
    ]


def _numbered(messages: Sequence[pb.Cnf]) -> list[str]:
    return [f"cnfs[{number}]" for number in range(len(messages))]


def _options(message: pb.AttributeOptions) -> Options:
    return Options(
        min_length=message.min_length,
        max_count=message.max_count if message.HasField("max_count") else None,
        delimiters=np.array(message.delimiters, np.uint32),
        whole_words=message.whole_words,
        documents=message.documents,
    )


def _context(message: pb.Excerpt) -> int | None:
    return message.context if message.HasField("context") else None
