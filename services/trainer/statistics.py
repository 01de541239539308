"""Scores of texts against references, and bootstrap intervals of means and of differences."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rouge_score.rouge_scorer import RougeScorer

ROUGE = {"rouge_1": "rouge1", "rouge_2": "rouge2", "rouge_l": "rougeL"}
"""Our names of the measures, and the scorer's."""

_DRAWS = 4_000_000  # of the bootstrap at a time: 32 MB of places, as much of values

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean with its percentile bootstrap interval at 95 %; `n` values went in."""

    mean: float
    low: float
    high: float
    n: int

    @property
    def decided(self) -> bool:
        """Whether the interval leaves zero out: for a difference, that its sign is known."""
        return self.n > 0 and (self.low > 0 or self.high < 0)


def rouge(texts: Sequence[str], references: Sequence[str]) -> dict[str, Values]:
    """ROUGE-1, -2 and -L F1 with stemming (Lin 2004) of each text, by name: (n,) each.

    NaN where there is no reference.
    """
    scorer = RougeScorer(list(ROUGE.values()), use_stemmer=True)
    found = [
        scorer.score(reference, text) if reference else None
        for text, reference in zip(texts, references, strict=True)
    ]
    return {
        ours: np.array([one[theirs].fmeasure if one else math.nan for one in found])
        for ours, theirs in ROUGE.items()
    }


def rouge_l(texts: Sequence[str], references: Sequence[str]) -> Values:
    """ROUGE-L F1 of each text against its reference: (n,)."""
    return rouge(texts, references)["rouge_l"]


def first_words(text: str, count: int) -> str:
    """The first `count` words, split at white space."""
    return " ".join(text.split()[:count])


def bootstrap(values: Values, *, resamples: int, seed: int) -> Interval:
    """The mean of the finite values and its interval; NaN where there are none."""
    finite = values[np.isfinite(values)]
    if finite.size == 0:
        return Interval(float("nan"), float("nan"), float("nan"), 0)
    generator, size = np.random.default_rng(seed), finite.size
    rows = max(1, _DRAWS // size)  # at a time, lest the draws of many documents fill the memory
    means = [
        finite[generator.integers(0, size, (min(rows, resamples - done), size))].mean(axis=1)
        for done in range(0, resamples, rows)
    ]
    low, high = np.percentile(np.concatenate(means), [2.5, 97.5])
    return Interval(float(finite.mean()), float(low), float(high), int(finite.size))


def paired_bootstrap(one: Values, other: Values, *, resamples: int, seed: int) -> Interval:
    """The mean of `one` minus that of `other`, place by place, and its interval.

    The same documents are drawn for both, so that what makes a document hard cancels.
    A document counts only where both have a value. Raises ValueError if shapes differ.
    """
    if one.shape != other.shape:
        raise ValueError(f"pairs are needed, got {one.shape} and {other.shape}")
    return bootstrap(one - other, resamples=resamples, seed=seed)
