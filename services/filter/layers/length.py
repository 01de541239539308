"""Length: a paraphrase is about as long as its source.

0.8 <= |y|/|x| <= 1.5 in characters, as the authors' code of Impossible Distillation
(arXiv 2305.16635v4) asks of paraphrases; the paper itself names no such bound.
"""

from __future__ import annotations

from dataclasses import dataclass

from services.filter.layers.base import Answers, Pair, PairLayer, Scores, threshold


@dataclass(frozen=True, slots=True)
class LengthThresholds:
    """Bounds of a paraphrase's length."""

    least: float = threshold(0.8, "Rejected if |y|/|x| is below it (characters per character).")
    most: float = threshold(1.5, "Rejected if |y|/|x| is above it.")


class Length(PairLayer[LengthThresholds]):
    """Rejects what is much shorter or longer than its source."""

    name = "length"
    scores = ("ratio",)
    Thresholds = LengthThresholds

    def measure(self, pair: Pair, answers: Answers) -> Scores:  # noqa: ARG002
        """`ratio` |y|/|x|; an empty source counts as one character."""
        return {"ratio": len(pair.summary.strip()) / max(1, len(pair.source.strip()))}

    def rule(self, scores: Scores) -> str | None:
        """too_short, too_long."""
        if scores["ratio"] < self.thresholds.least:
            return "too_short"
        return "too_long" if scores["ratio"] > self.thresholds.most else None
