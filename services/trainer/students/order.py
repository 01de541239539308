"""The order in which a training sees its samples, drawn before it begins.

All passes are laid out as one list of sample numbers. So a training that goes on from a
checkpoint reads on at a place in that list, whatever its random generators have drawn.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Hashable, Sequence

_LOOK_AHEAD = 50  # batches among which samples of equal length are brought together


def order(
    samples: int,
    *,
    epochs: int,
    seed: int,
    weights: Sequence[float] | None = None,
    lengths: Sequence[int] | None = None,
    batch: int = 1,
) -> list[int]:
    """epochs x samples numbers of samples.

    Without weights each pass holds every sample once; with them, each as often as its share
    of the weights asks, up to the rounding of its count. With lengths (tokens), batches of
    `batch` hold samples of similar length.
    """
    numbers: list[int] = []
    for epoch in range(epochs):
        rng = random.Random(f"{seed} {epoch}")
        drawn = list(range(samples)) if weights is None else systematic(weights, rng)
        rng.shuffle(drawn)
        numbers += drawn if lengths is None else by_length(drawn, lengths, batch, rng)
    return numbers


def systematic(weights: Sequence[float], rng: random.Random) -> list[int]:
    """len(weights) numbers, i about n x weights[i] / sum times: rounded up or down, by lot.

    Systematic sampling: n marks at equal distances, the first by lot, on a line along
    which each number owns a stretch as long as its weight.
    """
    total = len(weights)
    step = sum(weights) / total
    offset = rng.random()
    places = list(range(total))
    rng.shuffle(places)
    chosen: list[int] = []
    end = 0.0
    for place in places:
        end += weights[place]
        while len(chosen) < total and (offset + len(chosen)) * step < end:
            chosen.append(place)
    return chosen + places[-1:] * (total - len(chosen))  # what rounding left over


def by_length(
    numbers: Sequence[int], lengths: Sequence[int], batch: int, rng: random.Random
) -> list[int]:
    """The same numbers; those of similar length side by side, the batches in random order."""
    batches: list[list[int]] = []
    for start in range(0, len(numbers), batch * _LOOK_AHEAD):
        near = sorted(numbers[start : start + batch * _LOOK_AHEAD], key=lambda one: -lengths[one])
        batches += [near[place : place + batch] for place in range(0, len(near), batch)]
    whole = [one for one in batches if len(one) == batch]
    rest = [one for one in batches if len(one) < batch]
    rng.shuffle(whole)
    return [number for one in (*whole, *rest) for number in one]


def balanced(*groupings: Sequence[Hashable]) -> list[float]:
    """Weights under which the groups of a grouping have equal shares of all samples.

    A grouping names each sample's group. With several, a sample's weight is the product of
    one over its groups' sizes: then the shares of each are evened out, not made equal.
    """
    weights = [1.0] * len(groupings[0])
    for grouping in groupings:
        sizes = Counter(grouping)
        weights = [w / sizes[group] for w, group in zip(weights, grouping, strict=True)]
    return weights
