"""What callers ask, checked against the limits and cut into token ids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from services.index.engine import Stop, ragged
from services.index.limits import Limits, check
from services.index.registry import LoadedIndex
from services.index.tokenizer import Cut, IndexTokenizer
from stillhouse.errors import InvalidArgument
from stillhouse.index.types import Tokenization

Query: TypeAlias = str | NDArray[np.uint32]
"""A query as it came: text, or token ids (n,)."""


@dataclass(frozen=True, slots=True)
class Names:
    """How the request calls its queries: `whole` holds entry i, which is `entry` of i."""

    whole: str
    entry: str

    def of(self, number: int) -> str:
        """The field of query i."""
        return self.entry.format(number)


ONE = Names("query", "query")
MANY = Names("queries", "queries[{}]")
SEQUENCES = Names("sequences", "sequences.lengths[{}]")


@dataclass(frozen=True, slots=True)
class Asked:
    """m queries as they came: each by itself, or all as one ragged array of ids."""

    names: Names
    queries: Sequence[Query]
    sequences: tuple[NDArray[np.uint32], NDArray[np.uint64]] | None = None

    @property
    def size(self) -> int:
        """Characters and ids together."""
        return sum(map(len, self.queries)) if self.sequences is None else len(self.sequences[0])


# Neither is frozen, since that would double the time it takes to make one.
@dataclass(slots=True)
class Batch:
    """m queries by ids: query i is values[offsets[i]:offsets[i + 1]]."""

    names: Names
    values: NDArray[np.uint32]
    offsets: NDArray[np.uint64]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> NDArray[np.uint64]:
        """Tokens of each query (m,)."""
        return np.diff(self.offsets)

    def query(self, number: int) -> NDArray[np.uint32]:
        """The ids (n,) of query i."""
        return self.values[int(self.offsets[number]) : int(self.offsets[number + 1])]


@dataclass(slots=True)
class Work:
    """One call's queries, the index that answers, and what ends it early."""

    index: LoadedIndex
    batch: Batch
    limits: Limits
    stop: Stop
    cuts: Sequence[Cut | None] = ()
    """Where each token of a text lies in it; None for queries by ids, () if not asked for."""


def sequences(values: NDArray[np.uint32], lengths: NDArray[np.uint64]) -> Asked:
    """m queries as one ragged array; InvalidArgument if the lengths don't fit the ids."""
    offsets = np.zeros(len(lengths) + 1, np.uint64)
    np.cumsum(lengths, out=offsets[1:])
    if int(offsets[-1]) != len(values):
        raise InvalidArgument(
            "sequences.lengths",
            f"add up to {int(offsets[-1])}, but there are {len(values)} ids",
        )
    return Asked(SEQUENCES, (), (values, offsets))


def check_query(field: str, query: Query, limits: Limits) -> None:
    """InvalidArgument names a query that is over a limit as it came."""
    if isinstance(query, str):
        check(field, len(query), limits.query_characters, "characters")
    else:
        check(field, len(query), limits.query_tokens, "tokens")


def check_asked(asked: Asked, limits: Limits) -> None:
    """InvalidArgument names what is over a limit as it came."""
    if asked.sequences is not None:
        _check_offsets(asked.names, asked.sequences[1], limits)
        return
    check(asked.names.whole, len(asked.queries), limits.batch_queries, "entries")
    longest = min(limits.query_characters, limits.query_tokens)
    for number, query in enumerate(asked.queries):
        if len(query) > longest:
            check_query(asked.names.of(number), query, limits)


def of_one(
    query: Query, index: LoadedIndex, limits: Limits, with_cut: bool
) -> tuple[Batch, Sequence[Cut | None]]:
    """One query by ids and, if asked for, where each token of a text lies in it.

    Raises FailedPrecondition for text without a tokenizer, InvalidArgument for one with
    more tokens than the limit.
    """
    cuts: Sequence[Cut | None] = (None,)
    if not isinstance(query, str):
        ids = query
    elif with_cut:
        cuts = index.require_tokenizer().cut([query])
        ids = _ids(cuts[0])
    else:
        ids = index.require_tokenizer().ids([query])[0]
    check(ONE.whole, len(ids), limits.query_tokens, "tokens")
    return Batch(ONE, ids, np.array((0, len(ids)), np.uint64)), cuts


def to_batch(asked: Asked, index: LoadedIndex, limits: Limits) -> Batch:
    """The queries by ids, texts cut by the index's tokenizer.

    Raises FailedPrecondition for text without a tokenizer, InvalidArgument for a query
    or a batch over the limits.
    """
    if asked.sequences is not None:
        return Batch(asked.names, *asked.sequences)
    texts = [query for query in asked.queries if isinstance(query, str)]
    if texts:
        cut = iter(index.require_tokenizer().ids(texts))
        ids = [next(cut) if isinstance(query, str) else query for query in asked.queries]
    else:
        ids = [query for query in asked.queries if not isinstance(query, str)]
    return _checked(asked.names, ids, limits)


def to_batch_with_cuts(
    asked: Asked, index: LoadedIndex, limits: Limits
) -> tuple[Batch, list[Cut | None]]:
    """As `to_batch`, and where each token of a text lies in it."""
    if asked.sequences is not None:
        return Batch(asked.names, *asked.sequences), [None] * (len(asked.sequences[1]) - 1)
    texts = [query for query in asked.queries if isinstance(query, str)]
    found = iter(index.require_tokenizer().cut(texts) if texts else ())
    cuts = [next(found) if isinstance(query, str) else None for query in asked.queries]
    ids = [
        query if not isinstance(query, str) and cut is None else _ids(cut)
        for query, cut in zip(asked.queries, cuts, strict=True)
    ]
    return _checked(asked.names, [np.asarray(one, np.uint32) for one in ids], limits), cuts


def tokenize(
    names: Names, texts: Sequence[str], tokenizer: IndexTokenizer, limits: Limits
) -> list[Tokenization]:
    """The tokens of each text; InvalidArgument for a text or a batch over the limits."""
    results = tokenizer.tokenize(texts)
    offsets = np.cumsum([0, *(len(one.ids) for one in results)]).astype(np.uint64)
    _check_offsets(names, offsets, limits)
    return results


def _ids(cut: Cut | None) -> NDArray[np.uint32]:
    return cut.ids if cut else np.empty(0, np.uint32)


def _checked(names: Names, ids: list[NDArray[np.uint32]], limits: Limits) -> Batch:
    values, offsets = ragged(ids)
    _check_offsets(names, offsets, limits)
    return Batch(names, values, offsets)


def _check_offsets(names: Names, offsets: NDArray[np.uint64], limits: Limits) -> None:
    check(names.whole, len(offsets) - 1, limits.batch_queries, "entries")
    total = int(offsets[-1])
    if total > limits.query_tokens:  # else each of them is short enough
        lengths = np.diff(offsets)
        number = int(np.argmax(lengths > limits.query_tokens))
        check(names.of(number), int(lengths[number]), limits.query_tokens, "tokens")
    check(names.whole, total, limits.batch_tokens, "tokens together")
