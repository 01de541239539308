"""Scores of texts against references, and bootstrap intervals of their means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rouge_score.rouge_scorer import RougeScorer


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean with its percentile bootstrap interval at 95 %; `n` values went in."""

    mean: float
    low: float
    high: float
    n: int


def rouge_l(texts: Sequence[str], references: Sequence[str]) -> NDArray[np.float64]:
    """ROUGE-L F1 with stemming (Lin 2004) of each text against its reference: (n,)."""
    scorer = RougeScorer(["rougeL"], use_stemmer=True)
    pairs = zip(references, texts, strict=True)
    return np.array([scorer.score(reference, text)["rougeL"].fmeasure for reference, text in pairs])


def bootstrap(values: NDArray[np.float64], *, resamples: int, seed: int) -> Interval:
    """The mean of the finite values and its interval; NaN where there are none."""
    finite = values[np.isfinite(values)]
    if finite.size == 0:
        return Interval(float("nan"), float("nan"), float("nan"), 0)
    draws = np.random.default_rng(seed).integers(0, finite.size, (resamples, finite.size))
    low, high = np.percentile(finite[draws].mean(axis=1), [2.5, 97.5])
    return Interval(float(finite.mean()), float(low), float(high), int(finite.size))
