"""ROUGE-L by the longest common subsequence, 64 words a step."""

from __future__ import annotations

from collections.abc import Sequence


def rouge_l(reference: Sequence[str], candidate: Sequence[str]) -> float:
    """F1 of the longest common subsequence (Lin 2004, section 3); 0 if one is empty."""
    shared = common_subsequence(reference, candidate)
    return 2 * shared / (len(reference) + len(candidate)) if shared else 0.0


def common_subsequence(left: Sequence[str], right: Sequence[str]) -> int:
    """Length of the longest common subsequence.

    Bit-parallel (Hyyro 2004): bit i of `row` is 0 where the length grows at left[i].
    O(|left| |right| / 64).
    """
    places = dict.fromkeys(right, 0)  # each as long as `left`, so only for what is looked up
    for place, word in enumerate(left):
        if word in places:
            places[word] |= 1 << place
    everything = (1 << len(left)) - 1
    row = everything
    for word in right:
        found = row & places[word]
        if found:
            row = ((row + found) | (row - found)) & everything
    return len(left) - row.bit_count()
