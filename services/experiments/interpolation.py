"""Mixtures of a language model and an n-gram model with n = infinity, and what they gain.

    P(token) = (1 - w) P_model(token) + w P_ngram(token)

(Liu et al. 2024, Infini-gram, section 4). A weight may depend on whatever is known before the
token is, so that a mixture stays a distribution. All weights are chosen by the likelihood of
validation data. Where no suffix of the context occurs, the model stands alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Groups = NDArray[np.int64]

_HALVINGS = 60  # of an interval: beyond what a float64 can tell apart
LENGTHS = np.array([1, 2, 3, 4, 5, 6, 8, 12, 16, 32, 64])  # lower bounds of the buckets
_PENALTY = 1e-4  # of squared coefficients, a token
_STEPS = 100
_FLOOR = -20.0  # the logit of a weight that is none


@dataclass(frozen=True, slots=True)
class Positions:
    """n tokens of texts and what both models say of them; every field (n,).

    model and ngram: probability of the token that stands there. lengths: tokens of the longest
    suffix of its context that occurs in the corpus; counts: how often that occurs; sparse: one
    single outcome follows it. entropy: of the model's distribution, in nats.
    """

    model: Floats
    ngram: Floats
    lengths: NDArray[np.int64]
    counts: NDArray[np.int64]
    sparse: NDArray[np.bool_]
    entropy: Floats

    @property
    def defined(self) -> NDArray[np.bool_]:
        """Where the n-gram model has an estimate of its own: some suffix occurs."""
        return self.lengths > 0

    def __len__(self) -> int:
        return len(self.model)

    def take(self, chosen: NDArray[np.bool_] | slice) -> Positions:
        """The chosen ones."""
        return Positions(
            self.model[chosen], self.ngram[chosen], self.lengths[chosen],
            self.counts[chosen], self.sparse[chosen], self.entropy[chosen],
        )  # fmt: skip


class Mixture(Protocol):
    """Tells the weight of the n-gram model."""

    def weights(self, positions: Positions) -> Floats:
        """In [0, 1], (n,); 0 where the n-gram model is not defined."""
        ...


def mixed(positions: Positions, mixture: Mixture) -> Floats:
    """Probabilities (n,) by the mixture."""
    weights = mixture.weights(positions)
    found: Floats = (1 - weights) * positions.model + weights * positions.ngram
    return found


def best_weight(model: Floats, ngram: Floats) -> float:
    """The weight under which the n tokens are likeliest, from 0 to 1 - 1 / (n + 2); 0 without any.

    The log-likelihood is concave in it, so its slope is halved to zero. What was never wrong in
    n tokens may be wrong in the next (Laplace), so no weight leaves the model without a say.
    """
    gain = ngram - model

    def slope(weight: float) -> float:
        with np.errstate(divide="ignore", invalid="ignore"):
            terms = gain / (model + weight * gain)
        return float(np.where(np.isnan(terms), 0.0, terms).sum())

    if slope(0.0) <= 0:
        return 0.0
    low, high = 0.0, 1 - 1 / (len(model) + 2)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if slope(middle) > 0 else (low, middle)
    return low


@dataclass(frozen=True, slots=True)
class Constant:
    """One weight, whatever the context."""

    weight: float

    @classmethod
    def fit(cls, validation: Positions) -> Constant:
        """The weight that makes the validation data likeliest."""
        known = validation.take(validation.defined)
        return cls(best_weight(known.model, known.ngram))

    def weights(self, positions: Positions) -> Floats:
        """As `Mixture.weights`."""
        return np.where(positions.defined, self.weight, 0.0)


def by_sparsity(positions: Positions) -> Groups:
    """1 where the n-gram estimate is sparse, else 0: the two weights of the paper."""
    return positions.sparse.astype(np.int64)


def by_length(positions: Positions) -> Groups:
    """A group for each bucket of suffix lengths, apart for sparse estimates."""
    buckets = np.searchsorted(LENGTHS, positions.lengths, side="right")
    return 2 * buckets + positions.sparse


@dataclass(frozen=True, slots=True)
class Grouped:
    """A weight for each group of contexts; `table[g]` is that of group g."""

    group: Callable[[Positions], Groups]
    table: Floats

    @classmethod
    def fit(cls, validation: Positions, group: Callable[[Positions], Groups]) -> Grouped:
        """The best weight of each group; 0, the model alone, for one with no data."""
        known = validation.take(validation.defined)
        groups = group(known)
        table = np.zeros(2 * (len(LENGTHS) + 1))
        for number in np.unique(groups):
            mine = known.take(groups == number)
            table[number] = best_weight(mine.model, mine.ngram)
        return cls(group, table)

    def weights(self, positions: Positions) -> Floats:
        """As `Mixture.weights`."""
        return np.where(positions.defined, self.table[self.group(positions)], 0.0)


def features(positions: Positions) -> Floats:
    """What a logistic model reads, (n, 8): all of it is known before the token is."""
    length = np.log1p(positions.lengths)
    count = np.log1p(positions.counts)
    sparse = positions.sparse.astype(float)
    one = np.ones(len(positions))
    columns = [one, length, count, positions.entropy, sparse]
    columns += [length * sparse, count * sparse, length * positions.entropy]
    return np.stack(columns, axis=1)


@dataclass(frozen=True, slots=True)
class Logistic:
    """A weight by suffix length, count, sparsity and the model's entropy."""

    coefficients: Floats
    centre: Floats
    scale: Floats

    @classmethod
    def fit(cls, validation: Positions) -> Logistic:
        """By the likelihood of the validation data, with a small penalty; starts at `Constant`."""
        known = validation.take(validation.defined)
        raw = features(known)
        centre = np.append(0.0, raw[:, 1:].mean(axis=0)) if len(known) else np.zeros(raw.shape[1])
        scale = np.append(1.0, raw[:, 1:].std(axis=0)) if len(known) else np.ones(raw.shape[1])
        scale[scale < 1e-9] = 1.0
        start = np.zeros(raw.shape[1])
        weight = best_weight(known.model, known.ngram)
        with np.errstate(divide="ignore"):
            start[0] = np.clip(np.log(weight) - np.log1p(-weight), _FLOOR, -_FLOOR)
        found = climb(start, (raw - centre) / scale, known.model, known.ngram)
        return cls(found, centre, scale)

    def weights(self, positions: Positions) -> Floats:
        """As `Mixture.weights`."""
        scores = (features(positions) - self.centre) / self.scale @ self.coefficients
        weights = sigmoid(np.minimum(scores, -_FLOOR))
        return np.where(positions.defined, weights, 0.0)


def sigmoid(scores: Floats) -> Floats:
    """1 / (1 + exp(-x)), whatever the size of x."""
    found: Floats = np.exp(-np.logaddexp(0.0, -scores))
    return found


def objective(
    coefficients: Floats, rows: Floats, model: Floats, ngram: Floats
) -> tuple[float, Floats]:
    """Penalised mean log-likelihood of a gate's mixture, and its gradient.

    The derivative by a gate's score is what the token says of who wrote it, less what the
    gate said before: w P_ngram / P - w.
    """
    weights = sigmoid(rows @ coefficients)
    total = (1 - weights) * model + weights * ngram
    penalty = _PENALTY * np.append(0.0, coefficients[1:])
    size = max(1, len(rows))
    with np.errstate(divide="ignore", invalid="ignore"):
        value = np.log(total).sum() / size - penalty @ coefficients / 2
        shares = np.where(total > 0, weights * ngram / total, weights)
    return float(value), rows.T @ (shares - weights) / size - penalty


def climb(start: Floats, rows: Floats, model: Floats, ngram: Floats) -> Floats:
    """Coefficients uphill from `start` until the gradient is flat.

    Newton's steps with the curvature of a logistic regression on the shares, which is
    never less than that of the likelihood; a step that doesn't help is halved.
    """
    at = start
    value, slope = objective(at, rows, model, ngram)
    for _ in range(_STEPS):
        weights = sigmoid(rows @ at)
        bent = (rows * (weights * (1 - weights))[:, None]).T @ rows / max(1, len(rows))
        step = np.linalg.solve(bent + 1e-6 * np.eye(len(at)), slope)
        size = 1.0
        while size > 1e-6:
            tried = at + size * step
            after, tried_slope = objective(tried, rows, model, ngram)
            if after > value:
                break
            size /= 2
        else:
            return at
        gained, at, value, slope = after - value, tried, after, tried_slope
        if gained < 1e-10:
            return at
    return at
