"""Exact answers of the whole from the answers of its shards; pure.

n-grams never cross documents and a document lies in one shard, so occurrences add up. The
longest suffix that occurs in the whole is the longest that occurs in any shard: shards in
which a shorter one is the longest don't hold it, and have no part in the answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from stillhouse.index.types import Distribution, Probabilities

END = -1
Bools = NDArray[np.bool_]


def probabilities(parts: Sequence[Probabilities]) -> tuple[Probabilities, Bools]:
    """Those of the whole (m,), and where (m,) `sparse` cannot be told from the parts.

    That is where several shards know one outcome each and none knows the one asked for:
    whether theirs is the same, only the outcomes tell.
    """
    suffixes = np.stack([one.suffix_lengths for one in parts])
    counts = np.stack([one.counts for one in parts])
    contexts = np.stack([one.context_counts for one in parts])
    sparse = np.stack([one.sparse for one in parts])
    longest = suffixes.max(axis=0)
    used = (suffixes == longest) & (contexts > 0)
    count = np.where(used, counts, 0).sum(axis=0, dtype=np.uint64)
    context = np.where(used, contexts, 0).sum(axis=0, dtype=np.uint64)
    ratio = np.full(len(longest), np.nan)
    np.divide(count, context, out=ratio, where=context > 0)
    shards = used.sum(axis=0)
    alone = np.where(used, sparse, True).all(axis=0) & (shards > 0)
    unclear = alone & (shards > 1) & (count == 0)
    same = (shards == 1) | (count == context)
    return Probabilities(ratio, count, context, longest, alone & same), unclear


def matches(
    parts: Sequence[tuple[NDArray[np.uint32], NDArray[np.uint64]]],
) -> tuple[NDArray[np.uint32], NDArray[np.uint64]]:
    """Longest matches (n,) in the whole and their counts (n,)."""
    lengths = np.stack([one[0] for one in parts])
    counts = np.stack([one[1] for one in parts])
    longest = lengths.max(axis=0)
    return longest, np.where(lengths == longest, counts, 0).sum(axis=0, dtype=np.uint64)


def is_complete(part: Distribution) -> bool:
    """Whether a distribution leaves nothing out."""
    return int(part.counts.sum()) + part.end_count == part.context_count


def distribution(parts: Sequence[Distribution], top: int) -> Distribution | None:
    """What follows a context in the whole: the `top` most frequent, or all if it is 0.

    None where the answer depends on what a part leaves out.
    """
    longest = max(one.suffix_length for one in parts)
    used = [one for one in parts if one.suffix_length == longest and one.context_count]
    if not used:
        return replace(parts[0], suffix_length=longest)
    if len(used) == 1 and (is_complete(used[0]) or top):
        return _cut(used[0], top)
    if not all(map(is_complete, used)):
        return None
    tokens, counts = _summed(used)
    return _of_entries(
        tokens, counts, top, sum(one.context_count for one in used), longest, used[0].context
    )


def ranked(ranking: Sequence[tuple[int, int]], parts: Sequence[Distribution]) -> Distribution:
    """The most frequent outcomes of the whole, which has others, from their counts."""
    tokens, counts = np.array(ranking, np.int64).T
    merged = _of_entries(
        tokens, counts.astype(np.uint64), len(ranking),
        sum(one.context_count for one in parts), parts[0].suffix_length, parts[0].context,
    )  # fmt: skip
    return replace(merged, sparse=False)


def _cut(part: Distribution, top: int) -> Distribution:
    """The same with `top` entries; a part that is cut already has at least as many."""
    entries = np.concatenate([np.array([END] if part.end_count else [], np.int64), part.tokens])
    ends = np.array([part.end_count] if part.end_count else [], np.uint64)
    cut = _of_entries(
        entries, np.concatenate([ends, part.counts]), top, part.context_count,
        part.suffix_length, part.context,
    )  # fmt: skip
    return replace(cut, sparse=part.sparse)


def _summed(parts: Sequence[Distribution]) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
    """All outcomes (k,) ascending, END first, and how often they come (k,)."""
    tokens = np.concatenate([one.tokens.astype(np.int64) for one in parts])
    counts = np.concatenate([one.counts for one in parts])
    known, where = np.unique(tokens, return_inverse=True)
    sums = np.zeros(len(known), np.uint64)
    np.add.at(sums, where, counts)
    ends = sum(one.end_count for one in parts)
    if not ends:
        return known, sums
    return np.concatenate([[END], known]), np.concatenate([np.array([ends], np.uint64), sums])


def _of_entries(
    tokens: NDArray[np.int64],
    counts: NDArray[np.uint64],
    top: int,
    context_count: int,
    suffix_length: int,
    context: NDArray[np.uint32],
) -> Distribution:
    sparse = len(tokens) == 1
    by_count = np.lexsort((tokens, -counts.astype(np.int64)))
    order = by_count[:top] if top else np.argsort(tokens)
    tokens, counts = tokens[order], counts[order]
    at_end = tokens == END
    return Distribution(
        context_count=context_count,
        suffix_length=suffix_length,
        sparse=sparse,
        tokens=tokens[~at_end].astype(np.uint32),
        counts=counts[~at_end],
        end_count=int(counts[at_end].sum()),
        context=context,
    )
