"""What callers ask, checked against the limits and cut into token ids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from services.index.registry import LoadedIndex
from services.index.tokenizer import IndexTokenizer
from stillhouse.errors import InvalidArgument
from stillhouse.index.types import MatchStatistics, Tokenization

Asked: TypeAlias = str | NDArray[np.uint32]
"""A query as it came: text, or token ids (n,)."""

Counted: TypeAlias = tuple[list[int], list[NDArray[np.uint32]]]
"""Counts, and the ids that were looked up."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one call may ask."""

    query_tokens: int
    query_characters: int
    batch_queries: int
    batch_tokens: int


def check_batch(field: str, size: int, limits: Limits) -> None:
    """InvalidArgument if a call holds too many queries."""
    _check(field, size, limits.batch_queries, "entries")


def check_lengths(fields: Sequence[str], queries: Sequence[Asked], limits: Limits) -> None:
    """InvalidArgument names the first query that is too long as it came."""
    for field, query in zip(fields, queries, strict=True):
        if isinstance(query, str):
            _check(field, len(query), limits.query_characters, "characters")
        else:
            _check(field, len(query), limits.query_tokens, "tokens")


def to_ids(
    fields: Sequence[str], queries: Sequence[Asked], index: LoadedIndex, limits: Limits
) -> list[NDArray[np.uint32]]:
    """The ids (n,) of each query, texts cut by the index's tokenizer.

    Raises FailedPrecondition for text without a tokenizer, InvalidArgument for a query
    or a batch over the limits.
    """
    texts = [query for query in queries if isinstance(query, str)]
    cut = iter(index.require_tokenizer().ids(texts) if texts else ())
    ids = [next(cut) if isinstance(query, str) else query for query in queries]
    _check_tokens(fields, [len(one) for one in ids], limits)
    return ids


def count(
    fields: Sequence[str], queries: Sequence[Asked], index: LoadedIndex, limits: Limits
) -> Counted:
    """Occurrences of each query, and the ids that were looked up."""
    ids = to_ids(fields, queries, index, limits)
    if len(ids) == 1:
        return [index.engine.count(ids[0])], ids
    return index.engine.count_batch(ids).tolist(), ids


def match(
    fields: Sequence[str], queries: Sequence[Asked], index: LoadedIndex, limits: Limits
) -> list[MatchStatistics]:
    """Matching statistics of each query."""
    ids = to_ids(fields, queries, index, limits)
    found = [index.engine.match(ids[0])] if len(ids) == 1 else index.engine.match_batch(ids)
    return [
        MatchStatistics(lengths, counts, tokens)
        for (lengths, counts), tokens in zip(found, ids, strict=True)
    ]


def tokenize(
    fields: Sequence[str], texts: Sequence[str], tokenizer: IndexTokenizer, limits: Limits
) -> list[Tokenization]:
    """The tokens of each text; InvalidArgument for a text or a batch over the limits."""
    results = tokenizer.tokenize(texts)
    _check_tokens(fields, [len(one.ids) for one in results], limits)
    return results


def _check_tokens(fields: Sequence[str], sizes: Sequence[int], limits: Limits) -> None:
    for field, size in zip(fields, sizes, strict=True):
        _check(field, size, limits.query_tokens, "tokens")
    whole = fields[0].partition("[")[0] if fields else ""
    _check(whole, sum(sizes), limits.batch_tokens, "tokens together")


def _check(field: str, value: int, limit: int, unit: str) -> None:
    if value > limit:
        raise InvalidArgument(field, f"has {value} {unit}, the limit is {limit}; send less a call")
