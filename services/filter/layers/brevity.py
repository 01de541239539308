"""Brevity: a summary is shorter than its document, and long enough to be one.

|y|/|x| < tau, both in words. After the brevity critic of InfoSumm (arXiv 2403.13780,
section 2) and the compression filter of Impossible Distillation (arXiv 2305.16635v4,
section 3.2, tau = 0.8 there).
"""

from __future__ import annotations

from dataclasses import dataclass

from services.filter.layers.base import Answers, Pair, PairLayer, Scores, threshold
from stillhouse.text.words import words


@dataclass(frozen=True, slots=True)
class BrevityThresholds:
    """Bounds of a summary's length."""

    ratio: float = threshold(0.6, "Rejected unless |y|/|x| is below it (words per word).")
    min_words: float = threshold(5, "Rejected with fewer words.")
    max_words: float = threshold(40, "Rejected with more words.")


class Brevity(PairLayer[BrevityThresholds]):
    """Rejects what is as long as its document, and what is hardly a sentence."""

    name = "brevity"
    scores = ("ratio", "words")
    Thresholds = BrevityThresholds

    def measure(self, pair: Pair, answers: Answers) -> Scores:  # noqa: ARG002
        """`ratio` |y|/|x| and `words` |y|; an empty document counts as one word."""
        length = len(words(pair.summary))
        return {"ratio": length / max(1, len(words(pair.source))), "words": length}

    def rule(self, scores: Scores) -> str | None:
        """too_short, too_long."""
        if scores["words"] < self.thresholds.min_words:
            return "too_short"
        if scores["ratio"] >= self.thresholds.ratio:
            return "too_long"
        return "too_long" if scores["words"] > self.thresholds.max_words else None
