"""How different the texts of a set are from one another.

Every figure depends on how many texts there are, so only sets of the same size are
compared.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import combinations

from stillhouse.text.words import ngrams

Texts = Sequence[Sequence[str]]
"""Texts as words."""

SEGMENT = 50  # words; Johnson's MSTTR is commonly reported for it
_ORDER = 4  # BLEU-4
_SMOOTHING = 0.1  # instead of no match at all; Chen and Cherry 2014, method 1


def distinct(texts: Texts, n: int) -> float:
    """Distinct n-grams over all n-grams (Li et al. 2016); NaN without any."""
    counts = _counts(texts, n)
    return len(counts) / counts.total() if counts else math.nan


def msttr(texts: Texts, segment: int) -> float:
    """Mean segmental type-token ratio: over whole segments of all texts in a row.

    NaN if they have fewer than `segment` words together.
    """
    row = [word for text in texts for word in text]
    starts = range(0, len(row) - segment + 1, segment)
    return mean(len(set(row[start : start + segment])) / segment for start in starts)


def entropy(texts: Texts, n: int) -> float:
    """Shannon entropy of the n-grams in bits; NaN without any."""
    counts = _counts(texts, n)
    total = counts.total()
    if not total:
        return math.nan
    return -math.fsum(count / total * math.log2(count / total) for count in counts.values())


def mean_jaccard(texts: Texts) -> float:
    """Mean Jaccard similarity of the word sets over all pairs; NaN without a pair."""
    sets = [frozenset(text) for text in texts]
    return mean(
        len(one & other) / (len(one) + len(other) - len(one & other) or 1)
        for one, other in combinations(sets, 2)
    )


def self_bleu(texts: Texts) -> float:
    """Mean BLEU-4 of each text against all others (Zhu et al. 2018); NaN below two texts.

    Of each n-gram only the two largest counts are kept, which makes this linear in the
    number of texts: the largest among the others is one of them.
    """
    if len(texts) < 2:
        return math.nan
    grams = [[Counter(ngrams(text, n)) for text in texts] for n in range(1, _ORDER + 1)]
    largest = [_two_largest(counts) for counts in grams]
    lengths = Counter(len(text) for text in texts)
    scores = []
    for place, text in enumerate(texts):
        precisions = []
        for counts, best in zip(grams, largest, strict=True):
            own = counts[place]
            matched = sum(min(count, _others(best[gram], count)) for gram, count in own.items())
            precisions.append((matched or _SMOOTHING) / max(1, own.total()))
        closest = _closest(lengths, len(text))
        penalty = min(1.0, math.exp(1 - closest / len(text))) if text else 0.0
        scores.append(penalty * math.exp(math.fsum(map(math.log, precisions)) / _ORDER))
    return mean(scores)


def mean(values: Iterable[float]) -> float:
    """The mean; NaN without values."""
    listed = list(values)
    return math.fsum(listed) / len(listed) if listed else math.nan


def _counts(texts: Texts, n: int) -> Counter[tuple[str, ...]]:
    return Counter(gram for text in texts for gram in ngrams(text, n))


def _two_largest(
    counts: Sequence[Counter[tuple[str, ...]]],
) -> dict[tuple[str, ...], tuple[int, int]]:
    best: dict[tuple[str, ...], tuple[int, int]] = {}
    for one in counts:
        for gram, count in one.items():
            first, second = best.get(gram, (0, 0))
            best[gram] = (max(first, count), max(second, min(first, count)))
    return best


def _others(largest: tuple[int, int], own: int) -> int:
    """The largest count among the other texts."""
    first, second = largest
    return second if own == first else first


def _closest(lengths: Counter[int], own: int) -> int:
    """The length of another text that is closest to `own`; the shorter of two as close."""
    others = (length for length, count in lengths.items() if length != own or count > 1)
    return min(others, key=lambda length: (abs(length - own), length))
