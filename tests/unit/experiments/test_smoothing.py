"""Smoothed n-gram models against their definitions."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.experiments.interpolation import Floats
from services.experiments.smoothing import Discounted, JelinekMercer, Order, best_discounts

SEEDS = st.integers(0, 2**32 - 1)
VOCABULARY = 5
END = VOCABULARY
OUTCOMES = VOCABULARY + 1
HIGHEST = 3


def documents(seed: int) -> list[list[int]]:
    random = np.random.default_rng(seed)
    return [random.integers(0, VOCABULARY, random.integers(1, 15)).tolist() for _ in range(12)]


def following(corpus: list[list[int]], context: tuple[int, ...]) -> Counter[int]:
    """What follows a context, read aloud."""
    size = len(context)
    return Counter(
        ([*one, END])[i + size]
        for one in corpus
        for i in range(len(one) + 1 - size)
        if tuple(one[i : i + size]) == context
    )


def orders(corpus: list[list[int]], asked: list[tuple[tuple[int, ...], int]]) -> list[Order]:
    found = []
    for size in range(HIGHEST):
        columns = []
        for context, token in asked:
            known = size <= len(context)
            next_ones = following(corpus, context[len(context) - size :]) if known else Counter()
            kinds = [sum(c == n for c in next_ones.values()) for n in (1, 2)]
            kinds.append(len(next_ones) - sum(kinds))
            columns.append((next_ones.total(), next_ones[token], *kinds))
        rows = np.array(columns, float)
        found.append(Order(rows[:, 0], rows[:, 1], rows[:, 2:]))
    return found


def asked_of(texts: list[list[int]]) -> list[tuple[tuple[int, ...], int]]:
    return [(tuple(one[:i]), one[i]) for one in texts for i in range(len(one))]


def loss(probabilities: Floats) -> float:
    return float(-np.log(probabilities).mean())


@given(SEEDS)
def test_probabilities_of_all_outcomes_add_up_to_one(seed: int) -> None:
    corpus, held_out = documents(seed), documents(seed + 1)
    fit_on = orders(corpus, asked_of(held_out))
    context = tuple(held_out[0][:HIGHEST])
    everything = orders(corpus, [(context, token) for token in range(OUTCOMES)])
    for model in (JelinekMercer.fit(fit_on, OUTCOMES), Discounted.fit(fit_on, OUTCOMES)):
        found = model.probabilities(everything)
        assert found.sum() == pytest.approx(1)
        assert (found >= 0).all()


@given(SEEDS)
def test_smoothing_fits_validation_no_worse_than_all_alike(seed: int) -> None:
    corpus, held_out = documents(seed), documents(seed + 1)
    fit_on = orders(corpus, asked_of(held_out))
    found = loss(JelinekMercer.fit(fit_on, OUTCOMES).probabilities(fit_on))
    assert found <= np.log(OUTCOMES) + 1e-9


@given(SEEDS)
def test_discounts_beat_a_grid(seed: int) -> None:
    corpus, held_out = documents(seed), documents(seed + 1)
    order = orders(corpus, asked_of(held_out))[0]
    below = np.full(len(order.counts), 1 / OUTCOMES)

    def fit(discounts: tuple[float, float, float]) -> float:
        # The definition: what is taken from each count goes to the order below.
        taken = np.array([0, *discounts])[np.minimum(order.counts, 3).astype(int)]
        given_up = order.kinds @ np.array(discounts)
        return loss((order.counts - taken + given_up * below) / order.contexts)

    best = best_discounts(order, below)
    assert (best >= 0).all()
    assert (best <= [1, 2, 3]).all()
    grid = [(a, b, c) for a in (0.1, 0.5, 0.9) for b in (0.2, 1.0, 1.8) for c in (0.2, 1.5, 2.8)]
    assert fit(tuple(best)) <= min(map(fit, grid)) + 1e-6


def test_a_context_that_never_occurs_leaves_it_to_the_order_below() -> None:
    corpus = [[0, 1, 0, 1, 2]]
    asked: list[tuple[tuple[int, ...], int]] = [((0, 1), 0), ((4, 4), 0)]
    low, _, high = orders(corpus, asked)
    for model in (
        JelinekMercer.fit([low, low, high], OUTCOMES),
        Discounted.fit([low, low, high], OUTCOMES),
    ):
        found = model.probabilities([low, low, high])
        kind = type(model)
        shorter = kind(model.discounts[:2] if isinstance(model, Discounted) else model.weights[:2],
                       OUTCOMES).probabilities([low, low])  # fmt: skip
        assert found[1] == pytest.approx(shorter[1])
