"""Every hit of a query, page by page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from services.index import paging
from services.index.cnf import Clauses
from services.index.corpus import Excerpt
from services.index.engine import Stop
from services.index.registry import LoadedIndex
from stillhouse.errors import InvalidArgument
from stillhouse.index.types import Document, HitsPage


class _Documents(Protocol):
    def __call__(self, begin: int, end: int, stop: Stop) -> list[Document]: ...


@dataclass(frozen=True, slots=True)
class Hits:
    """All hits of one query: how many, and the documents of an interval of them."""

    index: LoadedIndex
    query: bytes
    count: int
    documents: _Documents

    def begin(self, token: str) -> int:
        """The first hit to list; InvalidArgument, FailedPrecondition as `paging.read`."""
        begin = paging.read(token, self.index.engine.digest, self.query)
        if begin > self.count:
            raise InvalidArgument("page_token", "lies behind the last hit")
        return begin

    def page(self, begin: int, end: int, stop: Stop) -> HitsPage:
        """The hits of an interval and the token of what is behind it."""
        end = min(end, self.count)
        found = self.documents(begin, end, stop) if begin < end else []
        token = ""
        if end < self.count:
            token = paging.write(self.index.engine.digest, self.query, end)
        return HitsPage(tuple(found), token, self.count)


def of_ngram(index: LoadedIndex, query: NDArray[np.uint32], excerpt: Excerpt, stop: Stop) -> Hits:
    """The occurrences of an n-gram, in rank order."""
    found = index.engine.find(query, np.array([0, len(query)], np.uint64), stop)
    firsts, ends = (bound[0].astype(np.int64) for bound in found)
    behind = np.cumsum(ends - firsts)  # hits up to and with each shard
    shown = Excerpt(excerpt.context, len(query))

    def documents(begin: int, end: int, stop: Stop) -> list[Document]:
        hits = np.arange(begin, end)
        shard = np.searchsorted(behind, hits, side="right")
        ranks = ends[shard] - behind[shard] + hits
        return index.documents.at_ranks(ranks.astype(np.uint64), shown, stop)

    return Hits(index, paging.fingerprint("ngram", [[query]], 0), int(behind[-1]), documents)


def of_cnf(index: LoadedIndex, clauses: Clauses, near: int, excerpt: Excerpt, stop: Stop) -> Hits:
    """The places of a CNF query, in corpus order."""
    found = index.engine.find_cnf(clauses, near, None, stop)

    def documents(begin: int, end: int, stop: Stop) -> list[Document]:
        return index.documents.at_positions(found.part(begin, end, stop), excerpt, stop)

    return Hits(index, paging.fingerprint("cnf", clauses, near), found.count, documents)
