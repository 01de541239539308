"""Documents of shards: each is asked of the shard that holds it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np

from services.index.corpus import Excerpt, Numbers, Occurrences
from services.index.engine import Offsets, Stop, Values, ragged
from services.index.limits import Limits
from services.index.shards.calls import Shard, ask, ask_all
from services.index.shards.drawing import shuffled
from services.index.shards.ngrams import ShardNgrams
from services.index.shards.requests import sequences_of
from stillhouse.index import answers
from stillhouse.index.types import Document
from stillhouse.index.v1 import index_pb2 as pb

_PLACE = Excerpt(context=0)


class ShardDocuments:
    """`corpus.Documents` over shards; numbers of ranks, positions and documents run through."""

    def __init__(self, shards: Sequence[Shard], ngrams: ShardNgrams, limits: Limits) -> None:
        self._shards = tuple(shards)
        self._ngrams = ngrams
        self._limits = limits
        self._behind = np.cumsum([one.tokens for one in shards], dtype=np.uint64)

    def at_ranks(self, ranks: Numbers, how: Excerpt, stop: Stop) -> list[Document]:
        """The document of each rank (k,)."""
        return self._shown("DocByRankBatch", pb.DocByRankBatchRequest, "ranks", ranks, how, stop)

    def at_positions(self, positions: Numbers, how: Excerpt, stop: Stop) -> list[Document]:
        """The document of each position (k,)."""
        kind = pb.DocByPositionBatchRequest
        return self._shown("DocByPositionBatch", kind, "positions", positions, how, stop)

    def _shown(
        self, rpc: str, kind: type[Any], field: str, places: Numbers, how: Excerpt, stop: Stop
    ) -> list[Document]:
        documents: list[Document | None] = [None] * len(places)
        excerpt = pb.Excerpt(context=how.context, match_length=how.match_length)
        for start in range(0, len(places), self._limits.documents):
            part = places[start : start + self._limits.documents]
            holders = np.searchsorted(self._behind, part, side="right")
            rows = [(n, np.flatnonzero(holders == n)) for n in np.unique(holders).tolist()]
            asked = []
            for number, row in rows:
                shard = self._shards[number]
                own = (part[row] - np.uint64(shard.first_token)).tolist()
                asked.append((shard, kind(excerpt=excerpt, **{field: own})))
            found = ask(asked, rpc, stop)
            for (shard, _), (_, row), answer in zip(asked, rows, found, strict=True):
                for at, one in zip(row.tolist(), answer.documents, strict=True):
                    documents[start + at] = _of_whole(answers.document_from_proto(one), shard)
        return [one for one in documents if one is not None]

    def draw(
        self, query: Values, limit: int, seed: int, how: Excerpt, stop: Stop
    ) -> list[Document]:
        """Up to `limit` documents with an n-gram, one occurrence of each, drawn at random."""
        firsts, ends = self._ngrams.find(query, np.array([0, len(query)], np.uint64), stop)
        counts = (ends[0] - firsts[0]).astype(np.int64)
        behind = np.cumsum(counts)
        drawn = shuffled(int(behind[-1]), seed)
        ranks: dict[int, int] = {}  # by document
        size = limit
        while len(ranks) < limit and (hits := np.array(list(islice(drawn, size)), np.int64)).size:
            shard = np.searchsorted(behind, hits, side="right")
            some = (ends[0].astype(np.int64)[shard] - behind[shard] + hits).astype(np.uint64)
            for rank, one in zip(some.tolist(), self.at_ranks(some, _PLACE, stop), strict=True):
                ranks.setdefault(one.document, rank)
            size = min(4 * size, self._limits.documents)
        chosen = np.array(list(ranks.values())[:limit], np.uint64)
        return self.at_ranks(chosen, how, stop)

    def occurrences(
        self, values: Values, offsets: Offsets, limit: int, stop: Stop
    ) -> list[Occurrences]:
        """The first `limit` occurrences of each of m n-grams, in rank order.

        A shard that is asked where an n-gram comes from tells all of it as one stretch. Those of
        one length are asked together, so that a shard tells of nothing shorter.
        """
        found: dict[int, Occurrences] = {}
        lengths = np.diff(offsets.astype(np.int64))
        for length in np.unique(lengths).tolist():
            rows = np.flatnonzero(lengths == length).tolist()
            alike = ragged([values[offsets[row] : offsets[row + 1]] for row in rows])
            found |= zip(rows, self._of_length(length, *alike, limit, stop), strict=True)
        return [found[row] for row in range(len(lengths))]

    def _of_length(
        self, length: int, values: Values, offsets: Offsets, limit: int, stop: Stop
    ) -> Iterator[Occurrences]:
        most = max(1, self._limits.positions // max(1, limit))
        options = pb.AttributeOptions(min_length=length, documents=limit)
        for sequences in sequences_of(values, offsets, min(most, self._limits.batch_queries)):
            request = pb.AttributeBatchRequest(sequences=sequences, options=options)
            parts = ask_all(self._shards, "AttributeBatch", request, stop)
            for row in zip(*(one.results for one in parts), strict=True):
                yield _first(limit, list(self._whole(length, row)))

    def _whole(self, length: int, row: Sequence[pb.AttributeResponse]) -> Iterator[Occurrences]:
        for shard, answer in zip(self._shards, row, strict=True):
            for span in answer.spans:
                if span.end - span.begin == length:
                    documents = np.array(span.documents, np.uint64)
                    yield Occurrences(
                        np.array(span.positions, np.uint64) + np.uint64(shard.first_token),
                        documents + np.uint64(shard.first_document),
                        tuple(span.document_ids) or ("",) * len(documents),
                    )


def _first(limit: int, parts: Sequence[Occurrences]) -> Occurrences:
    empty = np.empty(0, np.uint64)
    return Occurrences(
        np.concatenate([empty, *(one.positions for one in parts)])[:limit],
        np.concatenate([empty, *(one.documents for one in parts)])[:limit],
        tuple(name for one in parts for name in one.ids)[:limit],
    )


def _of_whole(document: Document, shard: Shard) -> Document:
    return replace(document, document=document.document + shard.first_document)
