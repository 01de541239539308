"""Smoothed n-gram models of the orders 1 to K, from counts in a corpus.

Jelinek-Mercer: each order's relative frequencies are mixed with the order below (Jelinek and
Mercer 1980; weights by bucket of the context's count). Absolute discounting, interpolated: each
order's counts give something up to the order below (Ney, Essen and Kneser 1994) with three
discounts, for counts of 1, 2 and more (Chen and Goodman 1998). It is Kneser-Ney where the lowest
order counts the contexts of a token instead of its occurrences; orders between use occurrences,
since an index tells what follows an n-gram, not what stands before it. Discounts and weights are
chosen by the likelihood of validation data, order by order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.experiments.interpolation import Floats, best_weight

_BUCKETS = 24  # of context counts, by powers of 2
_SWEEPS = 20
_HALVINGS = 40
_DISCOUNTS = 3


@dataclass(frozen=True, slots=True)
class Order:
    """n tokens after contexts of one length; every field (n,).

    contexts: occurrences of the context, 0 where there is none. counts: with the token behind
    it. kinds (n, 3): how many different outcomes follow it once, twice, and more often.
    """

    contexts: Floats
    counts: Floats
    kinds: Floats

    def take(self, chosen: NDArray[np.bool_] | slice) -> Order:
        """The chosen ones."""
        return Order(self.contexts[chosen], self.counts[chosen], self.kinds[chosen])


@dataclass(frozen=True, slots=True)
class JelinekMercer:
    """Weights (orders, buckets) of each order's frequencies against the order below."""

    weights: Floats
    outcomes: int

    @classmethod
    def fit(cls, validation: Sequence[Order], outcomes: int) -> JelinekMercer:
        """`outcomes`: how many different ones there can be; all alike below the lowest order."""
        below = np.full(len(validation[0].counts), 1 / outcomes)
        table = np.zeros((len(validation), _BUCKETS))
        for number, order in enumerate(validation):
            frequencies, buckets = _frequencies(order), _bucket(order)
            for bucket in np.unique(buckets[order.contexts > 0]):
                mine = (buckets == bucket) & (order.contexts > 0)
                table[number, bucket] = best_weight(below[mine], frequencies[mine])
            below = _interpolated(order, table[number], below)
        return cls(table, outcomes)

    def probabilities(self, orders: Sequence[Order]) -> Floats:
        """Of each token (n,), by the highest order down."""
        below = np.full(len(orders[0].counts), 1 / self.outcomes)
        for weights, order in zip(self.weights, orders, strict=True):
            below = _interpolated(order, weights, below)
        return below


def _interpolated(order: Order, weights: Floats, below: Floats) -> Floats:
    share = np.where(order.contexts > 0, weights[_bucket(order)], 0.0)
    found: Floats = (1 - share) * below + share * _frequencies(order)
    return found


def _frequencies(order: Order) -> Floats:
    found: Floats = order.counts / np.maximum(order.contexts, 1)
    return found


def _bucket(order: Order) -> NDArray[np.int64]:
    found: NDArray[np.int64] = np.log2(np.maximum(order.contexts, 1)).astype(np.int64)
    return np.minimum(found, _BUCKETS - 1)


@dataclass(frozen=True, slots=True)
class Discounted:
    """Discounts (orders, 3) of counts of 1, 2 and more."""

    discounts: Floats
    outcomes: int

    @classmethod
    def fit(cls, validation: Sequence[Order], outcomes: int) -> Discounted:
        """As `JelinekMercer.fit`."""
        below = np.full(len(validation[0].counts), 1 / outcomes)
        table = np.zeros((len(validation), _DISCOUNTS))
        for number, order in enumerate(validation):
            known = order.contexts > 0
            table[number] = best_discounts(order.take(known), below[known])
            below = _discounted(order, table[number], below)
        return cls(table, outcomes)

    def probabilities(self, orders: Sequence[Order]) -> Floats:
        """Of each token (n,), by the highest order down."""
        below = np.full(len(orders[0].counts), 1 / self.outcomes)
        for discounts, order in zip(self.discounts, orders, strict=True):
            below = _discounted(order, discounts, below)
        return below


def best_discounts(order: Order, below: Floats) -> Floats:
    """The three discounts, each at most the count it is taken from, that fit best.

    The likelihood is concave in them: one after the other, its slope is halved to zero.
    """
    fixed, gained = _terms(order, below)
    found = np.array([0.5, 0.5, 0.5])

    def slope(number: int, value: float) -> float:
        tried = found.copy()
        tried[number] = value
        with np.errstate(divide="ignore", invalid="ignore"):
            terms = gained[:, number] / (fixed + gained @ tried)
        return float(np.where(np.isfinite(terms), terms, 0.0).sum())

    for _ in range(_SWEEPS):
        before = found.copy()
        for number in range(_DISCOUNTS):
            low, high = 1e-6, number + 1.0
            for _ in range(_HALVINGS):
                middle = (low + high) / 2
                low, high = (middle, high) if slope(number, middle) > 0 else (low, middle)
            found[number] = low
        if np.abs(found - before).max() < 1e-6:
            break
    return found


def _terms(order: Order, below: Floats) -> tuple[Floats, Floats]:
    """Probabilities as a constant (n,) and what a unit of each discount adds (n, 3)."""
    contexts = np.maximum(order.contexts, 1)
    size = np.minimum(order.counts, _DISCOUNTS).astype(np.int64)
    taken = size[:, None] == np.arange(1, _DISCOUNTS + 1)
    gained = (order.kinds * below[:, None] - taken) / contexts[:, None]
    return order.counts / contexts, gained


def _discounted(order: Order, discounts: Floats, below: Floats) -> Floats:
    fixed, gained = _terms(order, below)
    return np.where(order.contexts > 0, fixed + gained @ discounts, below)
