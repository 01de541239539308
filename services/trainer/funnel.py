"""How many candidates each layer saw and passed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from stillhouse.filter.types import LayerStats, Verdict


def funnel(verdicts: Iterable[Verdict], layers: Sequence[str]) -> tuple[LayerStats, ...]:
    """The funnel over `layers`, in their order; a verdict's layer must be one of them."""
    rejected = dict.fromkeys(layers, 0)
    total = 0
    for verdict in verdicts:
        total += 1
        if not verdict.accepted:
            rejected[verdict.layer] += 1
    stats = []
    for layer in layers:
        passed = total - rejected[layer]
        stats.append(LayerStats(layer, seen=total, passed=passed))
        total = passed
    return tuple(stats)
