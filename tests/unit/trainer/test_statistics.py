from __future__ import annotations

import math

import numpy as np
import pytest

from services.trainer.funnel import funnel
from services.trainer.statistics import bootstrap, rouge_l
from stillhouse.filter.types import LayerStats, Verdict


def test_rouge_l_of_hand_counted_pairs() -> None:
    scores = rouge_l(["the cat sat", "a dog", ""], ["the cat sat", "the cat", "x"])
    assert scores.tolist() == [1.0, 0.0, 0.0]
    # LCS "police the gunman" of 4 and 4 words: precision = recall = 3/4.
    assert rouge_l(["police kill the gunman"], ["police killed the gunman"])[0] == 1.0
    assert rouge_l(["police ended the gunman"], ["police killed the gunman"])[0] == 0.75


def test_bootstrap_covers_the_mean_and_narrows() -> None:
    rng = np.random.default_rng(0)
    small = bootstrap(rng.normal(5, 1, 20), resamples=1000, seed=1)
    large = bootstrap(rng.normal(5, 1, 2000), resamples=1000, seed=1)
    assert small.low < small.mean < small.high
    assert large.high - large.low < (small.high - small.low) / 4
    assert large.low < 5 < large.high


def test_bootstrap_passes_over_nan_and_says_how_many_counted() -> None:
    result = bootstrap(np.array([1.0, math.nan, 1.0]), resamples=10, seed=0)
    assert (result.mean, result.low, result.high, result.n) == (1.0, 1.0, 1.0, 2)
    assert math.isnan(bootstrap(np.array([math.nan]), resamples=10, seed=0).mean)


def test_funnel_counts_by_first_rejection() -> None:
    verdicts = [
        Verdict("1", True),
        Verdict("2", False, "brevity", "brevity.too_long"),
        Verdict("3", False, "novelty", "novelty.verbatim"),
        Verdict("4", False, "novelty", "novelty.verbatim"),
    ]
    assert funnel(verdicts, ["brevity", "novelty", "last"]) == (
        LayerStats("brevity", 4, 3),
        LayerStats("novelty", 3, 1),
        LayerStats("last", 1, 1),
    )


def test_funnel_refuses_a_layer_it_does_not_know() -> None:
    with pytest.raises(KeyError):
        funnel([Verdict("1", False, "other", "other.x")], ["brevity"])
