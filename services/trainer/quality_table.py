"""What sets of samples are like, side by side: samples of one size, their figures, a table."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

from stillhouse.text.quality import Quality, measure

Pairs = list[tuple[str, str]]
"""(document, summary)."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A data set: its name, its size, and the figures of its sample.

    `novelty` holds what an index was asked, if there was one.
    """

    name: str
    size: int
    sampled: int
    quality: Quality
    novelty: Mapping[str, float] = field(default_factory=dict)

    @property
    def figures(self) -> dict[str, float]:
        """All figures by name, in their order."""
        return {**asdict(self.quality), **self.novelty}


def measured(sets: Mapping[str, Pairs], most: int, seed: int) -> list[Measured]:
    """The figures of each set by name, all cut to the size of the smallest, at most `most`.

    Sets of fewer than two pairs are left out, since nothing can be said of them.
    """
    usable = {name: pairs for name, pairs in sets.items() if len(pairs) >= 2}
    size = min([most, *(len(pairs) for pairs in usable.values())])
    return [
        Measured(name, len(pairs), size, measure(sample(pairs, size, seed)))
        for name, pairs in usable.items()
    ]


def sample(pairs: Pairs, size: int, seed: int) -> Pairs:
    """`size` pairs drawn by `seed`, in their order; all of them if there are no more."""
    if len(pairs) <= size:
        return list(pairs)
    return [pairs[place] for place in sorted(random.Random(seed).sample(range(len(pairs)), size))]


def markdown(sets: Sequence[Measured]) -> str:
    """A row per figure, a column per set."""
    lines = [
        f"| | {' | '.join(one.name for one in sets)} |",
        f"| --- |{' ---: |' * len(sets)}",
        f"| pairs, of which sampled | {' | '.join(f'{s.size}, {s.sampled}' for s in sets)} |",
    ]
    for name in sets[0].figures:
        cells = (f"{one.figures[name]:.3f}" for one in sets)
        lines.append(f"| {name.replace('_', '-')} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"
