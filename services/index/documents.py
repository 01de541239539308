"""Documents and the stretches of them that are shown."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.index.engine import Place
from services.index.limits import Limits, check, check_setting
from services.index.queries import Work
from services.index.registry import LoadedIndex
from stillhouse.errors import InvalidArgument
from stillhouse.index.types import Document, SearchResult

_DEFAULT_DOCUMENTS = 10


@dataclass(frozen=True, slots=True)
class Excerpt:
    """How much is shown: tokens on each side of a match of `match_length` tokens."""

    context: int
    match_length: int = 0


def excerpt(context: int | None, match_length: int, limits: Limits) -> Excerpt:
    """As asked; without `context` as much as a call may. InvalidArgument over a limit."""
    limit = limits.context_tokens
    check_setting("excerpt.match_length", match_length, limits.query_tokens)
    if context is None:
        return Excerpt(limit, match_length)
    check_setting("excerpt.context", context, limit)
    return Excerpt(context, match_length)


def show(index: LoadedIndex, place: Place, how: Excerpt) -> Document:
    """The stretch of a document around a place."""
    tokens = index.engine.document(place.document)
    match_end = min(place.offset + how.match_length, len(tokens))
    begin, end = max(0, place.offset - how.context), min(len(tokens), match_end + how.context)
    if not how.match_length:
        end = min(len(tokens), place.offset + max(how.context, 1))
    parts = (tokens[begin : place.offset], tokens[place.offset : match_end], tokens[match_end:end])
    texts = index.tokenizer.decode(parts) if index.tokenizer else ("", "", "")
    return Document(
        document=place.document,
        id=index.document_id(place.document),
        length=len(tokens),
        offset=place.offset,
        begin=begin,
        tokens=tokens[begin:end].copy(),  # lets go of the rest
        before=texts[0],
        match=texts[1],
        after=texts[2],
    )


def by_ranks(
    index: LoadedIndex, ranks: NDArray[np.uint64], field: str, how: Excerpt, limits: Limits
) -> list[Document]:
    """The document of each rank; InvalidArgument names the first that is outside."""
    _check_places(index, ranks, field, limits)
    return [show(index, index.engine.place_of_rank(rank), how) for rank in ranks.tolist()]


def by_positions(
    index: LoadedIndex, positions: NDArray[np.uint64], field: str, how: Excerpt, limits: Limits
) -> list[Document]:
    """The document of each position; InvalidArgument names the first that is outside."""
    _check_places(index, positions, field, limits)
    return at_positions(index, positions.tolist(), how)


def at_positions(index: LoadedIndex, positions: Iterable[int], how: Excerpt) -> list[Document]:
    """The document of each position of the corpus."""
    return [show(index, index.engine.place(position), how) for position in positions]


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
    places = work.index.engine.search(query, limit, seed, work.stop)
    return SearchResult(count, tuple(show(work.index, one, how) for one in places), query)
