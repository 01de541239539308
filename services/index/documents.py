"""Which documents are shown, and how much of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from services.index.corpus import Excerpt
from services.index.engine import Stop
from services.index.limits import Limits, check, check_setting
from services.index.queries import Work
from services.index.registry import LoadedIndex
from stillhouse.errors import InvalidArgument
from stillhouse.index.types import Document, SearchResult

_DEFAULT_DOCUMENTS = 10


def excerpt(context: int | None, match_length: int, limits: Limits) -> Excerpt:
    """As asked; without `context` as much as a call may. InvalidArgument over a limit."""
    limit = limits.context_tokens
    check_setting("excerpt.match_length", match_length, limits.query_tokens)
    if context is None:
        return Excerpt(limit, match_length)
    check_setting("excerpt.context", context, limit)
    return Excerpt(context, match_length)


def by_ranks(
    index: LoadedIndex,
    ranks: NDArray[np.uint64],
    field: str,
    how: Excerpt,
    limits: Limits,
    stop: Stop,
) -> list[Document]:
    """The document of each rank; InvalidArgument names the first that is outside."""
    _check_places(index, ranks, field, limits)
    return index.documents.at_ranks(ranks, how, stop)


def by_positions(
    index: LoadedIndex,
    positions: NDArray[np.uint64],
    field: str,
    how: Excerpt,
    limits: Limits,
    stop: Stop,
) -> list[Document]:
    """The document of each position; InvalidArgument names the first that is outside."""
    _check_places(index, positions, field, limits)
    return index.documents.at_positions(positions, how, stop)


def _check_places(
    index: LoadedIndex, places: NDArray[np.uint64], field: str, limits: Limits
) -> None:
    check(field.partition("[")[0], len(places), limits.documents, "entries")
    over = places >= index.engine.tokens
    if over.any():
        number = int(np.argmax(over))
        raise InvalidArgument(
            field.format(number),
            f"is {int(places[number])}; the index has {index.engine.tokens} tokens, from 0",
        )


def search(work: Work, limit: int, seed: int, context: int | None) -> list[SearchResult]:
    """Different documents with each query, drawn at random."""
    check_setting("limit", limit, work.limits.documents)
    limit = limit or _DEFAULT_DOCUMENTS
    check(work.batch.names.whole, len(work.batch) * limit, work.limits.documents, "documents")
    counts = work.index.engine.count(work.batch.values, work.batch.offsets, work.stop).tolist()
    return [_search(work, i, limit, seed, context, counts[i]) for i in range(len(work.batch))]


def _search(
    work: Work, number: int, limit: int, seed: int, context: int | None, count: int
) -> SearchResult:
    query = work.batch.query(number)
    how = excerpt(context, 0, work.limits)
    how = Excerpt(how.context, len(query))
    found = work.index.documents.draw(query, limit, seed, how, work.stop)
    return SearchResult(count, tuple(found), query)
