"""Perplexity of a language model, of n-gram models, and of their mixtures, with intervals.

Pure: probabilities of tokens in, figures out. Weights and discounts are chosen on one set of
texts and judged on another; intervals are of a paired bootstrap over documents.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from services.experiments.interpolation import (
    Constant,
    Floats,
    Grouped,
    Logistic,
    Positions,
    by_length,
    by_sparsity,
    mixed,
)
from services.experiments.smoothing import Discounted, JelinekMercer, Order

MODEL = "model alone"
PUBLISHED = "model + infinity-gram, two weights"


@dataclass(frozen=True, slots=True)
class TextSet:
    """Texts in a row, n tokens together: what is known of each token, and whose it is.

    documents: (n,) numbers of their documents; domains: of each document; long: (n,) whether
    the token lies inside a long verbatim match with the corpus.
    """

    positions: Positions
    orders: Sequence[Order]
    documents: NDArray[np.int64]
    domains: tuple[str, ...]
    long: NDArray[np.bool_]

    def of_domain(self, domain: str) -> NDArray[np.bool_]:
        """Which tokens (n,) are of a domain."""
        return np.array([one == domain for one in self.domains])[self.documents]


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure with its interval at 95 %."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Gain:
    """A system's perplexity, and by which share it is below that of the model alone."""

    perplexity: Interval
    gain: Interval


def perplexity(probabilities: Floats) -> float:
    """exp of the mean negative log-probability; infinite if one is 0, NaN without tokens."""
    if not len(probabilities):
        return float("nan")
    with np.errstate(divide="ignore"):
        return float(np.exp(-np.log(probabilities).mean()))


def systems(validation: TextSet, test: TextSet, outcomes: int) -> dict[str, Floats]:
    """Probabilities (n,) of the test tokens by each system, in the order of the table.

    `outcomes`: different ones there can be, the vocabulary and the document's end.
    """
    known, asked = validation.positions, test.positions
    jelinek = JelinekMercer.fit(validation.orders, outcomes)
    discounted = Discounted.fit(validation.orders, outcomes)
    names: dict[str, JelinekMercer | Discounted] = {
        "Jelinek-Mercer": jelinek,
        "absolute discounting": discounted,
    }
    found: dict[str, Floats] = {MODEL: asked.model}
    found["model + infinity-gram, one weight"] = mixed(asked, Constant.fit(known))
    found[PUBLISHED] = mixed(asked, Grouped.fit(known, by_sparsity))
    found["model + infinity-gram, by suffix length"] = mixed(asked, Grouped.fit(known, by_length))
    found["model + infinity-gram, logistic"] = mixed(asked, Logistic.fit(known))
    for name, model in names.items():
        plain, plain_asked = (
            model.probabilities(validation.orders),
            model.probabilities(test.orders),
        )
        highest = len(test.orders)
        found[f"{name} of order {highest} alone"] = plain_asked
        # On top of the smoothed orders stands the longest suffix, with weights of its own.
        top = Grouped.fit(replace(known, model=plain), by_length)
        all_known = mixed(replace(known, model=plain), top)
        all_asked = mixed(replace(asked, model=plain_asked), top)
        found[f"{name} under the infinity-gram alone"] = all_asked
        lower, lower_asked = replace(known, ngram=plain), replace(asked, ngram=plain_asked)
        found[f"model + {name}, logistic"] = mixed(lower_asked, Logistic.fit(lower))
        both, both_asked = replace(known, ngram=all_known), replace(asked, ngram=all_asked)
        found[f"model + {name} under the infinity-gram, logistic"] = mixed(
            both_asked, Logistic.fit(both)
        )
    return found


def gains(
    probabilities: dict[str, Floats], documents: NDArray[np.int64], *, resamples: int, seed: int
) -> dict[str, Gain]:
    """Each system beside the first, by documents (n,) drawn with replacement.

    The same documents are drawn for all, so a gain's interval is that of the difference.
    """
    numbers, owner = np.unique(documents, return_inverse=True)
    sizes = np.bincount(owner)
    drawn = np.random.default_rng(seed).multinomial(
        len(numbers), np.full(len(numbers), 1 / len(numbers)), resamples
    )
    tokens = drawn @ sizes
    base: Floats | None = None
    whole = 0.0
    found = {}
    for name, values in probabilities.items():
        with np.errstate(divide="ignore"):
            losses = np.bincount(owner, weights=-np.log(values))
        resampled = np.exp(drawn @ losses / tokens)
        value = perplexity(values)
        if base is None:
            base, whole = resampled, value
        found[name] = Gain(
            _interval(value, resampled), _interval(1 - value / whole, 1 - resampled / base)
        )
    return found


def _interval(value: float, resampled: Floats) -> Interval:
    low, high = np.percentile(resampled, [2.5, 97.5])
    return Interval(value, float(low), float(high))


@dataclass(frozen=True, slots=True)
class Alone:
    """The infinity-gram by itself: it gives some tokens no chance, so it has no perplexity.

    coverage: share of tokens where a suffix of the context occurs; possible: where the token
    has been seen behind it; there stand both models' perplexities.
    """

    coverage: float
    possible: float
    ngram: float
    model: float


def alone(positions: Positions) -> Alone:
    """The infinity-gram where it is defined and gives the token a chance."""
    possible = positions.defined & (positions.ngram > 0)
    return Alone(
        float(positions.defined.mean()),
        float(possible.mean()),
        perplexity(positions.ngram[possible]),
        perplexity(positions.model[possible]),
    )


def long_shares(texts: TextSet) -> Floats:
    """Of each document (m,) the share of its tokens inside long verbatim matches."""
    sizes = np.bincount(texts.documents, minlength=len(texts.domains))
    inside = np.bincount(texts.documents, weights=texts.long, minlength=len(texts.domains))
    found: Floats = inside / np.maximum(sizes, 1)
    return found


def without(texts: TextSet, share: float) -> TextSet:
    """The set without documents of which more than a share lies inside long matches."""
    kept = long_shares(texts) <= share
    chosen = kept[texts.documents]
    numbers = np.cumsum(kept) - 1
    return TextSet(
        texts.positions.take(chosen),
        [one.take(chosen) for one in texts.orders],
        numbers[texts.documents[chosen]],
        tuple(domain for domain, keep in zip(texts.domains, kept, strict=True) if keep),
        texts.long[chosen],
    )
