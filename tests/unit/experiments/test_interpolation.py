"""Mixtures of probabilities: distributions, best weights, gradients."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.experiments.interpolation import (
    Constant,
    Floats,
    Grouped,
    Logistic,
    Mixture,
    Positions,
    best_weight,
    by_length,
    by_sparsity,
    features,
    mixed,
    objective,
    sigmoid,
)

SEEDS = st.integers(0, 2**32 - 1)


def drawn(seed: int, size: int = 300) -> Positions:
    """Positions whose n-gram side is worth more the longer its suffix is."""
    random = np.random.default_rng(seed)
    lengths = random.geometric(0.3, size) - 1
    good = random.random(size) < lengths / 6
    ngram = np.where(good, random.uniform(0.3, 1, size), random.uniform(0, 0.05, size))
    ngram[random.random(size) < 0.2] = 0
    return Positions(
        model=random.beta(0.6, 2, size) * 0.98 + 1e-9,
        ngram=ngram,
        lengths=lengths,
        counts=random.geometric(0.01, size),
        sparse=random.random(size) < 0.4,
        entropy=random.gamma(2, 1, size),
    )


def fitted(validation: Positions) -> dict[str, Mixture]:
    return {
        "constant": Constant.fit(validation),
        "sparsity": Grouped.fit(validation, by_sparsity),
        "length": Grouped.fit(validation, by_length),
        "logistic": Logistic.fit(validation),
    }


def loss(probabilities: Floats) -> float:
    return float(-np.log(probabilities).mean())


@given(SEEDS)
def test_no_mixture_is_worse_on_validation_than_the_model_alone(seed: int) -> None:
    validation = drawn(seed)
    for name, mixture in fitted(validation).items():
        assert loss(mixed(validation, mixture)) <= loss(validation.model) + 1e-7, name


@given(SEEDS)
def test_finer_groups_and_the_gate_fit_validation_at_least_as_well(seed: int) -> None:
    validation = drawn(seed)
    found = {name: loss(mixed(validation, one)) for name, one in fitted(validation).items()}
    assert found["sparsity"] <= found["constant"] + 1e-7
    assert found["length"] <= found["sparsity"] + 1e-7
    assert found["logistic"] <= found["constant"] + 1e-6


@given(SEEDS)
def test_weights_are_shares_and_nothing_where_nothing_is_known(seed: int) -> None:
    validation, other = drawn(seed), drawn(seed + 1)
    for mixture in fitted(validation).values():
        weights = mixture.weights(other)
        assert ((weights >= 0) & (weights <= 1)).all()
        assert not weights[~other.defined].any()
        np.testing.assert_allclose(mixed(other, mixture)[~other.defined],
                                   other.model[~other.defined])  # fmt: skip


@given(SEEDS, st.integers(2, 9))
def test_a_mixture_is_a_distribution(seed: int, outcomes: int) -> None:
    """Whatever token is asked about in a context, the weight is the same."""
    random = np.random.default_rng(seed)
    model, ngram = random.dirichlet(np.ones(outcomes)), random.dirichlet(np.ones(outcomes))
    one = drawn(seed, 1)
    context = Positions(
        model, ngram, np.repeat(one.lengths, outcomes), np.repeat(one.counts, outcomes),
        np.repeat(one.sparse, outcomes), np.repeat(one.entropy, outcomes),
    )  # fmt: skip
    for mixture in fitted(drawn(seed + 1)).values():
        assert mixed(context, mixture).sum() == pytest.approx(1)


@given(SEEDS)
def test_the_best_weight_beats_a_fine_grid(seed: int) -> None:
    one = drawn(seed)
    found = best_weight(one.model, one.ngram)
    tried = [loss((1 - w) * one.model + w * one.ngram) for w in np.linspace(0, 1 - 1 / 302, 200)]
    assert loss((1 - found) * one.model + found * one.ngram) <= min(tried) + 1e-12


def test_the_best_weight_at_the_ends() -> None:
    better, worse = np.array([0.5, 0.9]), np.array([0.4, 0.1])
    assert best_weight(better, worse) == 0
    assert best_weight(worse, better) == pytest.approx(3 / 4)
    assert best_weight(np.empty(0), np.empty(0)) == 0


@given(SEEDS)
def test_the_gradient_is_that_of_the_objective(seed: int) -> None:
    one = drawn(seed, 50)
    rows = features(one)
    at: Floats = np.random.default_rng(seed).normal(0, 0.3, size=(rows.shape[1],))
    _, slope = objective(at, rows, one.model, one.ngram)
    for place in range(len(at)):
        step = np.zeros(len(at))
        step[place] = 1e-5
        up, down = (objective(at + sign * step, rows, one.model, one.ngram)[0] for sign in (1, -1))
        assert slope[place] == pytest.approx((up - down) / 2e-5, rel=1e-3, abs=1e-6)


def test_the_gate_finds_what_was_planted() -> None:
    """Tokens come from the n-gram model as often as a gate over suffix lengths says."""
    random = np.random.default_rng(1)
    size = 20_000
    lengths = random.integers(1, 9, size)
    shares = sigmoid(np.asarray(lengths - 4.0, np.float64))
    from_ngram = random.random(size) < shares
    model, ngram = np.where(from_ngram, 0.1, 0.6), np.where(from_ngram, 0.7, 0.05)
    # As outcomes of two distributions: each token is one of two kinds.
    one = Positions(model, ngram, lengths, np.ones(size, np.int64), np.zeros(size, np.bool_),
                    np.ones(size))  # fmt: skip
    gate = Logistic.fit(one)
    longer = gate.weights(one)[lengths == 8].mean()
    shorter = gate.weights(one)[lengths == 1].mean()
    assert longer > 0.9
    assert shorter < 0.1
    assert loss(mixed(one, gate)) < loss(mixed(one, Grouped.fit(one, by_sparsity))) - 0.05


def test_nothing_to_learn_from_leaves_the_model_alone() -> None:
    nothing = drawn(1).take(slice(0, 0))
    one = drawn(2)
    for name, mixture in fitted(nothing).items():
        assert loss(mixed(one, mixture)) == pytest.approx(loss(one.model), abs=1e-6), name
