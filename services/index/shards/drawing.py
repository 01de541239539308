"""Numbers drawn at random without replacement, as the engine draws them; pure."""

from __future__ import annotations

from collections.abc import Iterator

_MASK = 2**64 - 1


def shuffled(count: int, seed: int) -> Iterator[int]:
    """0 to count - 1 in a random order; the same for the same seed, on every machine.

    A shuffle that remembers only what it has moved.
    """
    moved: dict[int, int] = {}
    for i in range(count):
        rest, seed = _below(count - i, seed)
        other = i + rest
        drawn = moved.get(other, other)
        moved[other] = moved.get(i, i)
        moved.pop(i, None)
        yield drawn


def _below(limit: int, seed: int) -> tuple[int, int]:
    """A number below `limit`, all equally likely, and the next seed (SplitMix64)."""
    while True:
        seed = (seed + 0x9E3779B97F4A7C15) & _MASK
        x = seed
        x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & _MASK
        x ^= x >> 31
        rest = x % limit
        if x - rest <= _MASK - (limit - 1):
            return rest, seed
