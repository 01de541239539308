"""infini-gram's query types, asked of the index."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.gateway import peer_answers, tokens
from services.gateway.marking import Run, mark
from services.gateway.peer_queries import CnfIds, Ids, PeerQuery
from stillhouse.index.client import AsyncIndexClient
from stillhouse.index.types import Distribution, Document
from stillhouse.work_time import work_time

_DISPLAYED = 1000  # tokens of a document, unless a request says otherwise
_TRACED_DOCUMENTS = 100


@dataclass(frozen=True, slots=True)
class _Asked:
    """A query by ids, plain or as clauses, with its pieces."""

    index: str
    ids: Ids
    cnf: CnfIds
    named: bool
    options: Mapping[str, Any]

    @property
    def clauses(self) -> CnfIds:
        """An n-gram is one clause of one n-gram."""
        return self.cnf or [[self.ids]]

    @property
    def context(self) -> int:
        """Tokens to show on each side of a place."""
        return int(self.options.get("max_disp_len", _DISPLAYED)) // 2


class PeerCalls:
    """Answers each query type; `end_tokens` are the ids of documents' ends by index."""

    def __init__(self, client: AsyncIndexClient, end_tokens: Mapping[str, int]) -> None:
        self._client = client
        self._end_tokens = end_tokens

    async def answer(self, query: PeerQuery) -> dict[str, Any]:
        """The answer's JSON; raises the index's errors."""
        asked, ids, pieces = await self._asked(query)
        with work_time() as spent:
            result = await self._calls[query.query_type](self, asked)
        shown = {"token_ids": ids, "tokens": pieces}
        return {**shown, **result, "latency": spent.milliseconds}

    async def _asked(self, query: PeerQuery) -> tuple[_Asked, object, object]:
        """The query by ids, and its ids and pieces in the form in which it came."""
        if not query.is_cnf:
            if query.text is not None:
                (cut,) = await tokens.cut(self._client, [query.text], query.index)
            else:
                (cut,) = await tokens.name(self._client, [query.ids or []], query.index)
            asked = _Asked(query.index, cut.ids, [], cut.named, query.options)
            return asked, cut.ids, cut.pieces
        if query.clauses is not None:
            flat = [term for clause in query.clauses for term in clause]
            cuts = iter(await tokens.cut(self._client, flat, query.index))
            terms = [[next(cuts) for _ in clause] for clause in query.clauses]
        else:
            cnf = query.cnf or []
            sequences = [term for clause in cnf for term in clause]
            cuts = iter(await tokens.name(self._client, sequences, query.index))
            terms = [[next(cuts) for _ in clause] for clause in cnf]
        by_id = [[term.ids for term in clause] for clause in terms]
        named = all(term.named for clause in terms for term in clause)
        asked = _Asked(query.index, [], by_id, named, query.options)
        return asked, by_id, [[term.pieces for term in clause] for clause in terms]

    async def _count(self, asked: _Asked) -> dict[str, Any]:
        if asked.cnf:
            return await self._count_cnf(asked)
        found = await self._client.count(asked.ids, asked.index)
        return {"count": found.count, "approx": False}

    async def _count_cnf(self, asked: _Asked) -> dict[str, Any]:
        near = asked.options.get("max_diff_tokens")
        count = await self._client.count_cnf(asked.clauses, asked.index, max_diff_tokens=near)
        return {"count": count, "approx": False}

    async def _prob(self, asked: _Asked) -> dict[str, Any]:
        query, end = self._prob_query(asked)
        found = await self._client.prob(query, asked.index, end=end)
        return peer_answers.probability(found)

    async def _infgram_prob(self, asked: _Asked) -> dict[str, Any]:
        query, end = self._prob_query(asked)
        found = await self._client.infgram_prob(query, asked.index, end=end)
        suffix = _last(asked.ids[:-1], found.suffix_length)
        return {
            **peer_answers.probability(found),
            "suffix_len": found.suffix_length,
            "longest_suffix": await self._text(asked, suffix),
        }

    def _prob_query(self, asked: _Asked) -> tuple[Ids, bool]:
        """The query, or its context if its last id stands for the document's end."""
        if asked.ids[-1] == self._end_tokens.get(asked.index):
            return asked.ids[:-1], True
        return asked.ids, False

    async def _ntd(self, asked: _Asked) -> dict[str, Any]:
        found = await self._client.ntd(asked.ids, asked.index, pieces=asked.named)
        return self._distribution(asked, found)

    async def _infgram_ntd(self, asked: _Asked) -> dict[str, Any]:
        found = await self._client.infgram_ntd(asked.ids, asked.index, pieces=asked.named)
        return {
            **self._distribution(asked, found),
            "suffix_len": found.suffix_length,
            "longest_suffix": await self._text(asked, _last(asked.ids, found.suffix_length)),
        }

    def _distribution(self, asked: _Asked, found: Distribution) -> dict[str, Any]:
        pieces = found.pieces or [str(one) for one in found.tokens.tolist()]
        return peer_answers.distribution(found, pieces, self._end_tokens.get(asked.index))

    async def _find(self, asked: _Asked) -> dict[str, Any]:
        return peer_answers.found_segments(await self._client.find(asked.ids, asked.index))

    async def _find_cnf(self, asked: _Asked) -> dict[str, Any]:
        near = asked.options.get("max_diff_tokens")
        found = await self._client.find_cnf(asked.clauses, asked.index, max_diff_tokens=near)
        pointers = [found.positions.tolist()]
        return {"cnt": found.count, "approx": False, "ptrs_by_shard": pointers}

    async def _search_docs(self, asked: _Asked) -> dict[str, Any]:
        if asked.cnf:
            return await self._search_docs_cnf(asked)
        found = await self._client.find(asked.ids, asked.index)
        drawn = _draw(found.count, asked.options)
        chosen = [_rank(found.segments, number) for number in drawn]
        shown = await self._client.doc_by_rank_batch(chosen, asked.index, context=asked.context)
        return await self._searched(asked, found.count, drawn, shown)

    async def _search_docs_cnf(self, asked: _Asked) -> dict[str, Any]:
        near = asked.options.get("max_diff_tokens")
        found = await self._client.find_cnf(asked.clauses, asked.index, max_diff_tokens=near)
        drawn = _draw(len(found.positions), asked.options)
        places = [int(found.positions[number]) for number in drawn]
        shown = await self._client.doc_by_position_batch(places, asked.index, context=asked.context)
        return await self._searched(asked, found.count, drawn, shown)

    async def _searched(
        self, asked: _Asked, count: int, drawn: Sequence[int], shown: Sequence[Document]
    ) -> dict[str, Any]:
        return {
            "cnt": count,
            "approx": False,
            "idxs": list(drawn),
            "documents": await self._documents(asked, shown),
            "message": peer_answers.search_message(count, drawn),
        }

    async def _doc_by_rank(self, asked: _Asked) -> dict[str, Any]:
        rank = asked.options["rank"]
        found = await self._client.doc_by_rank(rank, asked.index, context=asked.context)
        return await self._document(asked, found)

    async def _doc_by_ptr(self, asked: _Asked) -> dict[str, Any]:
        position = asked.options["ptr"]
        found = await self._client.doc_by_position(position, asked.index, context=asked.context)
        return await self._document(asked, found)

    async def _document(self, asked: _Asked, found: Document) -> dict[str, Any]:
        (shown,) = await self._documents(asked, [found])
        (named,) = await tokens.name(self._client, [shown["token_ids"]], asked.index)
        return {**shown, "tokens": named.pieces}

    async def _documents(
        self, asked: _Asked, documents: Sequence[Document]
    ) -> list[dict[str, Any]]:
        marked = [mark(one.tokens.tolist(), asked.clauses) for one in documents]
        texts = iter(await self._texts(asked, [run for runs in marked for run in runs]))
        return [
            {
                **peer_answers.document(one),
                "spans": peer_answers.spans(runs, [next(texts) for _ in runs]),
            }
            for one, runs in zip(documents, marked, strict=True)
        ]

    async def _creativity(self, asked: _Asked) -> dict[str, Any]:
        found = await self._client.match_lengths(asked.ids, asked.index)
        return peer_answers.creativity(found)

    async def _attribute(self, asked: _Asked) -> dict[str, Any]:
        options = asked.options
        most = options.get("max_cnt")
        documents = _TRACED_DOCUMENTS if most is None else min(most, _TRACED_DOCUMENTS)
        found = await self._client.attribute(
            asked.ids,
            asked.index,
            min_length=options.get("min_len", 1),
            max_count=most,
            delimiters=options.get("delim_ids", ()),
            whole_words=options.get("enforce_bow", False),
            documents=max(1, documents),
        )
        distinct = sorted(set(asked.ids))
        counts = await self._client.count_batch([[], *([one] for one in distinct)], asked.index)
        known = dict(zip(distinct, counts[1:], strict=True))
        return {"spans": peer_answers.attribution(found, known, counts[0])}

    async def _text(self, asked: _Asked, ids: Ids) -> str:
        (text,) = await self._texts(asked, [Run(ids)])
        return text

    async def _texts(self, asked: _Asked, runs: Sequence[Run]) -> list[str]:
        """Each run as text; the numbers where the index has no tokenizer."""
        if not asked.named:
            return [" ".join(map(str, run.ids)) for run in runs]
        found = await self._client.detokenize_batch([run.ids for run in runs], asked.index)
        return [one.text for one in found]

    _calls: Mapping[str, Callable[[PeerCalls, _Asked], Awaitable[dict[str, Any]]]] = {
        "count": _count,
        "count_cnf": _count_cnf,
        "prob": _prob,
        "ntd": _ntd,
        "infgram_prob": _infgram_prob,
        "infgram_ntd": _infgram_ntd,
        "find": _find,
        "find_cnf": _find_cnf,
        "search_docs": _search_docs,
        "search_docs_cnf": _search_docs_cnf,
        "get_doc_by_rank": _doc_by_rank,
        "get_doc_by_ptr": _doc_by_ptr,
        "creativity": _creativity,
        "attribute": _attribute,
    }


def _last(ids: Ids, count: int) -> Ids:
    return ids[len(ids) - count :]


def _draw(count: int, options: Mapping[str, Any]) -> list[int]:
    """Numbers of different occurrences, at random."""
    return random.sample(range(count), min(count, int(options.get("maxnum", 1))))


def _rank(segments: Sequence[tuple[int, int]], number: int) -> int:
    """The rank of an occurrence by its number in all segments."""
    for begin, end in segments:
        if number < end - begin:
            return begin + number
        number -= end - begin
    raise IndexError(number)
