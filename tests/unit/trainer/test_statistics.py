from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.trainer import statistics
from services.trainer.funnel import funnel
from services.trainer.statistics import (
    Interval,
    bootstrap,
    first_words,
    paired_bootstrap,
    rouge,
    rouge_l,
)
from stillhouse.filter.types import LayerStats, Verdict


def test_rouge_l_of_hand_counted_pairs() -> None:
    scores = rouge_l(["the cat sat", "a dog", ""], ["the cat sat", "the cat", "x"])
    assert scores.tolist() == [1.0, 0.0, 0.0]
    # LCS "police the gunman" of 4 and 4 words: precision = recall = 3/4.
    assert rouge_l(["police kill the gunman"], ["police killed the gunman"])[0] == 1.0
    assert rouge_l(["police ended the gunman"], ["police killed the gunman"])[0] == 0.75


def test_rouge_of_hand_counted_pairs() -> None:
    scores = rouge(["the cat sat down", "x", "a"], ["the cat ran down", "y", ""])
    assert {name: values[0] for name, values in scores.items()} == {
        "rouge_1": 0.75,  # the, cat, down
        "rouge_2": pytest.approx(1 / 3),  # the cat, of three
        "rouge_l": 0.75,
    }
    assert [values[1] for values in scores.values()] == [0, 0, 0]
    assert all(math.isnan(values[2]) for values in scores.values())


def test_first_words() -> None:
    assert first_words(" one  two\nthree ", 2) == "one two"
    assert first_words("one", 5) == "one"
    assert first_words("one", 0) == ""


def test_bootstrap_covers_the_mean_and_narrows() -> None:
    rng = np.random.default_rng(0)
    small = bootstrap(rng.normal(5, 1, 20), resamples=1000, seed=1)
    large = bootstrap(rng.normal(5, 1, 2000), resamples=1000, seed=1)
    assert small.low < small.mean < small.high
    assert large.high - large.low < (small.high - small.low) / 4
    assert large.low < 5 < large.high


@pytest.mark.parametrize("draws", [1, 70, 1000])
def test_bootstrap_is_the_same_in_parts(draws: int, monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).normal(size=33)
    whole = bootstrap(values, resamples=101, seed=3)
    monkeypatch.setattr(statistics, "_DRAWS", draws)
    assert bootstrap(values, resamples=101, seed=3) == whole


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


def naive_paired(one: list[float], other: list[float], resamples: int, seed: int) -> Interval:
    """Documents are drawn one by one, and both systems' means taken over the same draw."""
    known = [
        place
        for place in range(len(one))
        if math.isfinite(one[place]) and math.isfinite(other[place])
    ]
    if not known:
        return Interval(math.nan, math.nan, math.nan, 0)

    def difference(places: list[int]) -> float:
        mine = sum(one[place] for place in places) / len(places)
        theirs = sum(other[place] for place in places) / len(places)
        return mine - theirs

    generator = np.random.default_rng(seed)
    found = []
    drawn = generator.integers(0, len(known), (resamples, len(known)))
    for row in drawn:
        found.append(difference([known[place] for place in row]))
    found.sort()

    def quantile(share: float) -> float:
        at = share * (len(found) - 1)
        below, above = found[math.floor(at)], found[math.ceil(at)]
        return below + (at - math.floor(at)) * (above - below)

    return Interval(difference(known), quantile(0.025), quantile(0.975), len(known))


_SCORE = st.one_of(st.just(math.nan), st.floats(-10, 10, allow_nan=False))


@given(st.lists(st.tuples(_SCORE, _SCORE), max_size=12), st.integers(1, 30), st.integers(0, 2**32))
def test_a_paired_difference_is_that_of_the_naive_way(
    pairs: list[tuple[float, float]], resamples: int, seed: int
) -> None:
    one, other = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    fast = paired_bootstrap(np.array(one), np.array(other), resamples=resamples, seed=seed)
    slow = naive_paired(one, other, resamples, seed)
    assert fast.n == slow.n
    assert [fast.mean, fast.low, fast.high] == pytest.approx(
        [slow.mean, slow.low, slow.high], abs=1e-9, nan_ok=True
    )


def test_pairing_decides_where_single_intervals_overlap() -> None:
    generator = np.random.default_rng(0)
    hard = generator.normal(0, 5, 200)  # what documents do to both systems
    one, other = hard + 0.2, hard + generator.normal(0, 0.1, 200)
    alone = [bootstrap(values, resamples=500, seed=1) for values in (one, other)]
    assert alone[0].low < alone[1].high
    difference = paired_bootstrap(one, other, resamples=500, seed=1)
    assert difference.decided
    assert difference.low < 0.2 < difference.high


def test_pairs_of_unequal_length_are_refused() -> None:
    with pytest.raises(ValueError, match="pairs"):
        paired_bootstrap(np.zeros(2), np.zeros(3), resamples=10, seed=0)


@pytest.mark.parametrize(
    ("low", "high", "decided"), [(0.1, 0.2, True), (-0.2, -0.1, True), (-0.1, 0.1, False)]
)
def test_an_interval_decides_where_it_leaves_zero_out(
    low: float, high: float, decided: bool
) -> None:
    assert Interval(0.0, low, high, 3).decided == decided
