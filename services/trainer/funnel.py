"""How many candidates each layer saw and passed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from stillhouse.filter.types import LayerStats, Verdict


@dataclass
class Tally:
    """Verdicts counted one after the other: all of them, and the rejected by layer."""

    total: int = 0
    rejected: dict[str, int] = field(default_factory=dict)

    @property
    def accepted(self) -> int:
        """Those that no layer rejected."""
        return self.total - sum(self.rejected.values())

    def count(self, verdict: Verdict) -> None:
        """Count one more."""
        self.total += 1
        if not verdict.accepted:
            self.rejected[verdict.layer] = self.rejected.get(verdict.layer, 0) + 1

    def funnel(self, layers: Sequence[str]) -> tuple[LayerStats, ...]:
        """The funnel over `layers`, in their order; KeyError if another one rejected."""
        if unknown := self.rejected.keys() - set(layers):
            raise KeyError(*unknown)
        stats, left = [], self.total
        for layer in layers:
            passed = left - self.rejected.get(layer, 0)
            stats.append(LayerStats(layer, seen=left, passed=passed))
            left = passed
        return tuple(stats)


def funnel(verdicts: Iterable[Verdict], layers: Sequence[str]) -> tuple[LayerStats, ...]:
    """The funnel over `layers`, in their order; a verdict's layer must be one of them."""
    tally = Tally()
    for verdict in verdicts:
        tally.count(verdict)
    return tally.funnel(layers)
