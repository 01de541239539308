from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.trainer.students.order import balanced, by_length, order, systematic

WEIGHTS = st.lists(st.floats(0.01, 10), min_size=1, max_size=40)


@given(st.integers(1, 30), st.integers(1, 4), st.integers(0, 5))
def test_every_pass_holds_every_sample_once(samples: int, epochs: int, seed: int) -> None:
    numbers = order(samples, epochs=epochs, seed=seed)
    for epoch in range(epochs):
        assert sorted(numbers[epoch * samples :][:samples]) == list(range(samples))


def test_passes_and_seeds_differ_and_a_seed_repeats() -> None:
    one = order(50, epochs=2, seed=1)
    assert one[:50] != one[50:]
    assert one == order(50, epochs=2, seed=1)
    assert one != order(50, epochs=2, seed=2)


@given(WEIGHTS, st.integers(0, 1000))
def test_a_sample_comes_as_often_as_its_weight_asks(weights: list[float], seed: int) -> None:
    counts = Counter(systematic(weights, random.Random(seed)))
    n = len(weights)
    assert sum(counts.values()) == n
    for number, weight in enumerate(weights):
        assert abs(counts[number] - n * weight / sum(weights)) < 1 + 1e-6


def test_over_many_draws_the_shares_are_exact() -> None:
    weights = [0.2, 1.0, 1.8, 3.0]
    draws = Counter(n for seed in range(4000) for n in systematic(weights, random.Random(seed)))
    for number, weight in enumerate(weights):
        assert draws[number] / 16000 == pytest.approx(weight / 6, abs=0.01)


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=30))
def test_one_grouping_gives_its_groups_equal_shares(groups: list[str]) -> None:
    weights = balanced(groups)
    shares = {
        name: sum(w for w, group in zip(weights, groups, strict=True) if group == name)
        for name in set(groups)
    }
    assert all(share == pytest.approx(1.0) for share in shares.values())


def test_two_groupings_weigh_by_both() -> None:
    assert balanced(["a", "a", "b"], ["x", "y", "y"]) == [1 / 2, 1 / 4, 1 / 2]


def test_a_rare_bucket_is_seen_as_often_as_a_common_one() -> None:
    buckets = ["rare"] * 5 + ["common"] * 95
    numbers = order(100, epochs=1, seed=4, weights=balanced(buckets))
    assert Counter(buckets[number] for number in numbers) == {"rare": 50, "common": 50}


def test_batches_of_similar_length_are_padded_less() -> None:
    lengths = [10, 90] * 40

    def padding(numbers: list[int]) -> int:
        batches = [numbers[start : start + 8] for start in range(0, 80, 8)]
        return sum(max(lengths[n] for n in batch) * 8 for batch in batches) - sum(lengths)

    plain = order(80, epochs=1, seed=1, batch=8)
    assert padding(plain) > 1000
    assert padding(order(80, epochs=1, seed=1, batch=8, lengths=lengths)) == 0


@given(st.lists(st.integers(1, 90), min_size=1, max_size=120), st.integers(1, 9), st.integers(0, 9))
def test_batches_of_similar_length_hold_the_same_samples(
    lengths: list[int], batch: int, seed: int
) -> None:
    numbers = list(range(len(lengths)))
    found = by_length(numbers, lengths, batch, random.Random(seed))
    assert sorted(found) == numbers

    assert len(order(len(lengths), epochs=2, seed=1, lengths=lengths, batch=batch)) == 2 * len(
        lengths
    )
