"""The maximal stretches of a query, from its matching statistics; pure.

As the engine's own `attribute`: from each position the longest match, cut behind its first
delimiter and then back to a word's end; what is short or inside another is left out.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.uint32]


def maximal(
    query: Ids, lengths: Ids, min_length: int, delimiters: Ids, word_starts: Ids | None
) -> list[tuple[int, int]]:
    """[begin, end) of each stretch of a query (n,) with longest matches (n,), in order."""
    n = len(query)
    starts = np.ones(n + 1, np.bool_)  # where a stretch may begin and end
    if word_starts is not None:
        starts[1:n] = np.isin(query[1:], word_starts)
    last_start = np.maximum.accumulate(np.where(starts, np.arange(n + 1), 0))
    places = np.where(np.isin(query, delimiters), np.arange(1, n + 1), n)
    behind_delimiter = np.minimum.accumulate(places[::-1])[::-1]
    ends = last_start[np.minimum(np.arange(n) + lengths, behind_delimiter)]
    found: list[tuple[int, int]] = []
    covered = 0
    for begin, (end, allowed) in enumerate(zip(ends.tolist(), starts[:n].tolist(), strict=True)):
        if allowed and end > covered and end - begin >= max(1, min_length):
            found.append((begin, end))
            covered = end
    return found
