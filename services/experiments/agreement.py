"""How often the infinity-gram foretells the next token of a text, by length of its suffix.

Pure: what an index said of tokens in, shares with intervals out. An estimate agrees with a
text where its most frequent token stands there (Liu et al. 2024, Infini-gram, section 4.1,
count those that have more than half of the probability: `likely`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.experiments.interpolation import LENGTHS
from services.experiments.perplexity import Interval
from stillhouse.index.types import Scores

Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Foretold:
    """n tokens of texts in a row, and what was foretold of each; every field (n,).

    agrees: the token is the most frequent one behind the suffix, of equals the one with the
    smaller id; likely: it has more than half of the probability. lengths: tokens of the suffix;
    sparse: one single outcome follows it. documents: numbers of the texts.
    """

    agrees: Flags
    likely: Flags
    lengths: NDArray[np.int64]
    sparse: Flags
    documents: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.agrees)


def foretold(
    found: Sequence[Scores], tops: Sequence[NDArray[np.int64]], start: int = 0
) -> Foretold:
    """Of texts, each from its token `start` on: scores, and the most frequent token of each place.

    At least one text.
    """
    sizes = [max(0, len(one.tokens) - start) for one in found]
    agrees = [one.tokens == top for one, top in zip(found, tops, strict=True)]
    return Foretold(
        agrees=np.concatenate([one[start:] for one in agrees]),
        likely=np.concatenate([one.probabilities[start:] > 0.5 for one in found]),
        lengths=np.concatenate([one.suffix_lengths[start:] for one in found]).astype(np.int64),
        sparse=np.concatenate([one.sparse[start:] for one in found]),
        documents=np.repeat(np.arange(len(sizes)), sizes),
    )


def share(
    hits: Flags, chosen: Flags, documents: NDArray[np.int64], *, resamples: int, seed: int
) -> Interval:
    """Share of the chosen tokens (n,) that are hits (n,); NaN without any.

    The interval is at 95 %, of documents drawn with replacement.
    """
    if not chosen.any():
        return Interval(float("nan"), float("nan"), float("nan"))
    numbers, owner = np.unique(documents, return_inverse=True)
    hit = np.bincount(owner, weights=hits & chosen)
    size = np.bincount(owner, weights=chosen)
    drawn = np.random.default_rng(seed).multinomial(
        len(numbers), np.full(len(numbers), 1 / len(numbers)), resamples
    )
    with np.errstate(invalid="ignore"):
        shares = (drawn @ hit) / (drawn @ size)
    low, high = np.nanpercentile(shares, [2.5, 97.5])
    return Interval(float(hit.sum() / size.sum()), float(low), float(high))


@dataclass(frozen=True, slots=True)
class Bucket:
    """The tokens whose suffix is `first` to `last` tokens long; `last` None is no bound."""

    first: int
    last: int | None

    def __str__(self) -> str:
        if self.last is None:
            return f"{self.first}+"
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last}"

    def holds(self, found: Foretold) -> Flags:
        """Which tokens (n,) it holds."""
        inside: Flags = found.lengths >= self.first
        return inside if self.last is None else inside & (found.lengths <= self.last)


def buckets() -> Iterator[Bucket]:
    """Of suffix lengths from 1 on; where no suffix occurs, nothing is foretold."""
    bounds = LENGTHS.tolist()
    for first, following in zip(bounds, [*bounds[1:], None], strict=True):
        yield Bucket(first, None if following is None else following - 1)
