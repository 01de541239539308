"""Which batches of a generation are given out, and when it is complete.

Batch j is given out once batches 0 .. j - window are complete and have not met the
target. What is given out therefore depends on verdicts alone, never on who works how
fast: any number of generators, killed or not, judges the same candidates.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import accumulate


class Schedule:
    """The order of work of one generation.

    `complete(batch, accepted)` reports that a batch is judged and how many of its
    samples the buffer took; batches must be reported in order. `accepted` is what was
    reported of the first batches before a restart.
    """

    def __init__(
        self, *, batches: int, window: int, target: int, accepted: Iterable[int] = ()
    ) -> None:
        self._batches = batches
        self._window = window
        self._target = target
        # [n]: samples that the buffer took of the first n batches
        self._accepted = list(accumulate(accepted, initial=0))
        self._given = self._complete

    @property
    def done(self) -> bool:
        """True if nothing is under way and nothing more will be given out."""
        return self._complete == self._given and not self._may_give()

    @property
    def _complete(self) -> int:
        return len(self._accepted) - 1

    def take(self) -> Iterator[int]:
        """The batches to give out now."""
        while self._may_give():
            self._given += 1
            yield self._given - 1

    def complete(self, batch: int, accepted: int) -> None:
        """Report the next batch in order as judged, with what the buffer took of it."""
        if batch != self._complete or batch >= self._given:
            raise ValueError(f"batch {batch} reported, {self._complete} of {self._given} is next")
        self._accepted.append(self._accepted[-1] + accepted)

    def _may_give(self) -> bool:
        # Only what is `window` batches back decides, even where more is known by now.
        known = max(0, self._given - self._window + 1)
        return (
            self._given < self._batches
            and known <= self._complete
            and self._accepted[known] < self._target
        )
