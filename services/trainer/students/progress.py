"""How far a training has come, and when it will be over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate


@dataclass(frozen=True, slots=True)
class Progress:
    """After `step` of `steps`: losses in nats a token, 0 before the first; seconds to the end."""

    step: int
    steps: int
    loss: float = 0.0
    held_out_loss: float = 0.0
    tokens_per_second: float = 0.0
    eta_seconds: float = 0.0


class Pace:
    """Tokens a second since it was made, and the seconds that the rest will take.

    `lengths` are the tokens of the samples in the order of training, `batch` of them a step.
    """

    def __init__(self, lengths: Sequence[int], batch: int, step: int, now: float) -> None:
        self._read = [0, *accumulate(lengths)]
        self._batch = batch
        self._begun = (self._tokens(step), now)

    def at(self, step: int, now: float) -> tuple[float, float]:
        """Tokens a second and seconds left, both 0 while nothing tells."""
        read, started = self._begun
        done, passed = self._tokens(step) - read, now - started
        if done <= 0 or passed <= 0:
            return 0.0, 0.0
        rate = done / passed
        return rate, (self._read[-1] - self._tokens(step)) / rate

    def _tokens(self, step: int) -> int:
        return self._read[min(step * self._batch, len(self._read) - 1)]


def stalled(losses: Sequence[float], patience: int) -> bool:
    """Whether the last `patience` held-out losses are all no lower than the best before them."""
    return len(losses) > patience and min(losses[-patience:]) >= min(losses[:-patience])
