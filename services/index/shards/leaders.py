"""The most frequent of a whole, from cut lists of its parts; pure.

The threshold algorithm (Fagin, Lotem, Naor 2003): what no list shows occurs at most as often
as the least that each cut list shows, added up. So once enough of what is shown occurs more
often than that, nothing else has to be known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from services.index.shards.merging import END, is_complete
from stillhouse.index.types import Distribution


@dataclass(frozen=True, slots=True)
class Unknown:
    """A count that no list shows: of an outcome, END or a token, in part `part`."""

    part: int
    outcome: int


def shown(part: Distribution) -> dict[int, int]:
    """The outcomes of a list and their counts."""
    found = dict(zip(part.tokens.tolist(), part.counts.tolist(), strict=True))
    return found | ({END: part.end_count} if part.end_count else {})


class Leaders:
    """Lists of parts that hold the same context, at least one of them cut."""

    def __init__(self, parts: Sequence[Distribution], top: int) -> None:
        self._parts = parts
        self._top = top
        self._shown = [shown(part) for part in parts]
        self._least = [
            0 if is_complete(part) else min(counts.values())
            for part, counts in zip(parts, self._shown, strict=True)
        ]
        self._outcomes = sorted(set().union(*self._shown))

    def unknown(self) -> list[Unknown]:
        """The counts that decide, of those outcomes that may be among the most frequent."""
        lower = {one: sum(counts.get(one, 0) for counts in self._shown) for one in self._outcomes}
        bar = sorted(lower.values(), reverse=True)[: self._top][-1]
        missing = []
        for outcome in self._outcomes:
            parts = [
                number
                for number, counts in enumerate(self._shown)
                if outcome not in counts and self._least[number]
            ]
            if lower[outcome] + sum(self._least[number] for number in parts) >= bar:
                missing += [Unknown(number, outcome) for number in parts]
        return missing

    def ranking(self, known: Mapping[Unknown, int]) -> list[tuple[int, int]] | None:
        """The most frequent outcomes and their counts; None if others may belong there."""
        totals = {
            outcome: sum(
                counts.get(outcome, known.get(Unknown(number, outcome), 0))
                for number, counts in enumerate(self._shown)
            )
            for outcome in self._outcomes
        }
        order = sorted(totals.items(), key=lambda one: (-one[1], one[0]))[: self._top]
        if len(order) < self._top or order[-1][1] <= sum(self._least):
            return None
        return order
