"""What a candidate costs in each layer, on average over what a service has measured."""

from __future__ import annotations

_WEIGHT = 200.0  # candidates that the average remembers: a machine's load changes


class Costs:
    """Running averages of seconds per candidate, by layer."""

    def __init__(self) -> None:
        self._means: dict[str, float] = {}
        self._counts: dict[str, int] = {}

    def add(self, layer: str, candidates: int, seconds: float) -> float:
        """Take `candidates` measured in `seconds`; returns the average, 0 before any."""
        if not candidates:
            return self._means.get(layer, 0.0)
        self._counts[layer] = self._counts.get(layer, 0) + candidates
        part = candidates / min(self._counts[layer], _WEIGHT + candidates)
        before = self._means.get(layer, 0.0)
        self._means[layer] = before + part * (seconds / candidates - before)
        return self._means[layer]
