"""Every hit of a query, page by page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from services.index import documents, paging
from services.index.cnf import Clauses
from services.index.documents import Excerpt
from services.index.engine import Stop
from services.index.registry import LoadedIndex
from stillhouse.errors import InvalidArgument
from stillhouse.index.types import HitsPage


class _Positions(Protocol):
    def __call__(self, begin: int, end: int, stop: Stop) -> NDArray[np.uint64]: ...


@dataclass(frozen=True, slots=True)
class Hits:
    """All hits of one query: how many, and where those of an interval are."""

    index: LoadedIndex
    query: bytes
    count: int
    positions: _Positions
    excerpt: Excerpt

    def begin(self, token: str) -> int:
        """The first hit to list; InvalidArgument, FailedPrecondition as `paging.read`."""
        begin = paging.read(token, self.index.engine.digest, self.query)
        if begin > self.count:
            raise InvalidArgument("page_token", "lies behind the last hit")
        return begin

    def page(self, begin: int, end: int, stop: Stop) -> HitsPage:
        """The hits of an interval and the token of what is behind it."""
        end = min(end, self.count)
        found = self.positions(begin, end, stop).tolist() if begin < end else []
        token = ""
        if end < self.count:
            token = paging.write(self.index.engine.digest, self.query, end)
        shown = documents.at_positions(self.index, found, self.excerpt)
        return HitsPage(tuple(shown), token, self.count)


def of_ngram(index: LoadedIndex, query: NDArray[np.uint32], excerpt: Excerpt, stop: Stop) -> Hits:
    """The occurrences of an n-gram, in rank order."""
    firsts, ends = index.engine.find(query, np.array([0, len(query)], np.uint64), stop)
    first, end = int(firsts[0]), int(ends[0])

    def positions(begin: int, end: int, stop: Stop) -> NDArray[np.uint64]:
        return index.engine.positions(first + begin, first + end, stop)

    return Hits(
        index, paging.fingerprint("ngram", [[query]], 0), end - first, positions,
        Excerpt(excerpt.context, len(query)),
    )  # fmt: skip


def of_cnf(index: LoadedIndex, clauses: Clauses, near: int, excerpt: Excerpt, stop: Stop) -> Hits:
    """The places of a CNF query, in corpus order."""
    found = index.engine.find_cnf(clauses, near, stop)

    def positions(begin: int, end: int, stop: Stop) -> NDArray[np.uint64]:  # noqa: ARG001
        return found[begin:end]

    return Hits(index, paging.fingerprint("cnf", clauses, near), len(found), positions, excerpt)
