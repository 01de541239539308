"""Numbers: a paraphrase has the numbers of its source, all of them and no other.

Intended by the authors' code of Impossible Distillation (arXiv 2305.16635v4), which by an
oversight lets pass what drops a number. `surface` asks the one direction of summaries.
"""

from __future__ import annotations

from dataclasses import dataclass

from services.filter.facts import new_numbers
from services.filter.layers.base import Answers, Pair, PairLayer, Scores, threshold


@dataclass(frozen=True, slots=True)
class NumbersThresholds:
    """How many numbers may differ."""

    new: float = threshold(0, "Rejected with more numbers that the source lacks.")
    dropped: float = threshold(0, "Rejected if it lacks more numbers of the source.")


class Numbers(PairLayer[NumbersThresholds]):
    """Rejects what changes, adds or drops a number."""

    name = "numbers"
    scores = ("new", "dropped")
    Thresholds = NumbersThresholds

    def measure(self, pair: Pair, answers: Answers) -> Scores:  # noqa: ARG002
        """`new` and `dropped` numbers; how each is written does not matter."""
        return {
            "new": len(new_numbers(pair.summary, pair.source)),
            "dropped": len(new_numbers(pair.source, pair.summary)),
        }

    def rule(self, scores: Scores) -> str | None:
        """new_number, dropped_number."""
        if scores["new"] > self.thresholds.new:
            return "new_number"
        return "dropped_number" if scores["dropped"] > self.thresholds.dropped else None
