"""What the page asks of the index."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from services.gateway import cnf_text, page_views, tokens
from services.gateway.marking import mark
from services.gateway.page_views import PER_PAGE, Following, Hit, Pager, Token, Trace
from services.gateway.tokens import Tokens
from stillhouse.errors import FailedPrecondition, InvalidArgument
from stillhouse.index.client import AsyncIndexClient
from stillhouse.index.types import Document, IndexInfo
from stillhouse.work_time import work_time

_TOP = 8
_CONTEXT = 45  # tokens shown on each side of a hit


@dataclass(frozen=True, slots=True)
class Lookup:
    """All that is shown of a query; `next` and `infinite` are None for clauses."""

    text: str
    clauses: list[list[list[Token]]]
    is_cnf: bool
    count: int
    count_milliseconds: float
    milliseconds: float
    pager: Pager
    hits: list[Hit]
    next: Following | None = None
    infinite: Following | None = None
    ids: str = ""
    suffix: str = ""


@dataclass(frozen=True, slots=True)
class _Query:
    """A query by text or ids, cut into tokens: one clause of one n-gram if it is plain."""

    text: str
    clauses: list[list[Tokens]]
    is_cnf: bool

    @property
    def plain(self) -> list[int]:
        """The ids of the first n-gram."""
        return self.clauses[0][0].ids

    @property
    def by_id(self) -> list[list[list[int]]]:
        """The clauses by ids."""
        return [[one.ids for one in clause] for clause in self.clauses]


@dataclass(frozen=True, slots=True)
class _Hits:
    """A count, the milliseconds it took, and the documents of a page."""

    count: int
    milliseconds: float
    documents: Sequence[Document] = ()


class PageCalls:
    """Looks queries up and traces texts."""

    def __init__(self, client: AsyncIndexClient) -> None:
        self._client = client

    async def look_up(self, index: str, text: str, ids: list[int] | None, page: int) -> Lookup:
        """A query with what comes next and a page of its documents."""
        with work_time() as spent:
            query = await self._cut(index, text, ids)
            if query.is_cnf:
                found = await self._places(index, query, page)
                coming = None
            else:
                coming = await asyncio.gather(
                    self._client.ntd(query.plain, index, top=_TOP, pieces=True),
                    self._client.infgram_ntd(query.plain, index, top=_TOP, pieces=True),
                )
                found = await self._ranks(index, query, page)
        hits = await self._hits(index, query, found.documents)
        suffix = coming[1].suffix_length if coming else 0
        return Lookup(
            text=query.text,
            clauses=[
                [page_views.query_tokens(one.ids, one.pieces, suffix) for one in clause]
                for clause in query.clauses
            ],
            is_cnf=query.is_cnf,
            count=found.count,
            count_milliseconds=found.milliseconds,
            milliseconds=spent.milliseconds + found.milliseconds,
            pager=Pager(page, found.count),
            hits=hits,
            next=page_views.following(coming[0], query.plain, _TOP) if coming else None,
            infinite=page_views.following(coming[1], query.plain, _TOP) if coming else None,
            ids=page_views.join(query.plain) if ids is not None else "",
            suffix=page_views.join(query.plain[len(query.plain) - suffix :]),
        )

    async def phrases(self, info: IndexInfo) -> list[str]:
        """Phrases to begin with, from different places of the corpus, always the same ones."""
        if not info.tokenizer_sha256 or not info.tokens:
            return []
        places = [info.tokens * part // 16 for part in range(1, 16, 2)]
        found = await self._client.doc_by_position_batch(places, info.name, context=24)
        texts = [page_views.phrase(one.after) for one in found]
        return [*dict.fromkeys(filter(None, texts))][:4]

    async def documents(self, index: str, ids: list[int], page: int) -> Lookup:
        """A page of the documents of an n-gram, and nothing more."""
        with work_time() as spent:
            query = await self._cut(index, "", ids)
            found = await self._ranks(index, query, page)
        return Lookup(
            text=query.text,
            clauses=[],
            is_cnf=False,
            count=found.count,
            count_milliseconds=found.milliseconds,
            milliseconds=spent.milliseconds + found.milliseconds,
            pager=Pager(page, found.count),
            hits=await self._hits(index, query, found.documents),
            ids=page_views.join(ids),
        )

    async def trace(
        self, index: str, text: str, min_length: int, whole_words: bool
    ) -> tuple[Trace, float]:
        """A text's stretches in the corpus, and the milliseconds of the work."""
        tokens.check_text(text, "text")
        with work_time() as spent:
            plain, spaced = await self._client.tokenize_batch([text, f" {text}"], index)
            shift = int(tokens.inside_text(plain, spaced))
            found = await self._client.attribute(
                " " * shift + text,
                index,
                min_length=min_length,
                whole_words=whole_words,
                documents=1,
            )
        traced = page_views.trace(text, found.spans, found.tokens.tolist(), shift)
        return traced, spent.milliseconds

    async def _cut(self, index: str, text: str, ids: list[int] | None) -> _Query:
        if ids is not None:
            (named,) = await self._client.detokenize_batch([ids], index)
            cut = Tokens(ids, list(named.pieces))
            return _Query(named.text.strip(), [[cut]], False)
        if not cnf_text.is_cnf(text):
            return _Query(text, [await tokens.cut(self._client, [text], index)], False)
        clauses = cnf_text.clauses(text)
        flat = [one for clause in clauses for one in clause]
        if not all(one.strip() for one in flat):
            raise InvalidArgument("query", "has nothing on one side of AND or OR; give an n-gram")
        cuts = iter(await tokens.cut(self._client, flat, index))
        return _Query(text, [[next(cuts) for _ in clause] for clause in clauses], True)

    async def _ranks(self, index: str, query: _Query, page: int) -> _Hits:
        """A page of an n-gram's occurrences, in rank order."""
        with work_time() as spent:
            found = await self._client.find(query.plain, index)
        skip, ranks = (page - 1) * PER_PAGE, list[int]()
        for begin, end in found.segments:
            first = min(begin + skip, end)
            skip -= first - begin
            ranks += range(first, min(end, first + PER_PAGE - len(ranks)))
        if not ranks:
            return _Hits(found.count, spent.milliseconds)
        shown = await self._client.doc_by_rank_batch(
            ranks, index, context=_CONTEXT, match_length=len(query.plain)
        )
        return _Hits(found.count, spent.milliseconds, shown)

    async def _places(self, index: str, query: _Query, page: int) -> _Hits:
        """A page of the places of clauses, in corpus order."""
        with work_time() as spent:
            found = await self._client.find_cnf(query.by_id, index, limit=page * PER_PAGE)
        positions = found.positions[(page - 1) * PER_PAGE :].tolist()
        if not positions:
            return _Hits(found.count, spent.milliseconds)
        context = 2 * _CONTEXT
        shown = await self._client.doc_by_position_batch(positions, index, context=context)
        return _Hits(found.count, spent.milliseconds, shown)

    async def _hits(self, index: str, query: _Query, documents: Sequence[Document]) -> list[Hit]:
        marked = [mark(one.tokens.tolist(), query.by_id) for one in documents]
        flat = [run.ids for runs in marked for run in runs]
        try:
            named = await self._client.detokenize_batch(flat, index)
            texts = iter([one.text for one in named])
        except FailedPrecondition:
            texts = iter([" ".join(map(str, ids)) for ids in flat])
        return [
            page_views.hit(one, runs, [next(texts) for _ in runs])
            for one, runs in zip(documents, marked, strict=True)
        ]
