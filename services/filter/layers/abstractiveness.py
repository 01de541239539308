"""Abstractiveness: a summary is no patchwork of its document.

Coverage and density of the extractive fragments (Grusky et al. 2018, Newsroom, section 4)
and the longest run of words copied. Unlike the share of copied runs in `novelty` there
is no fixed length of a run, so that it also sees short texts. The share of new bigrams is
measured beside them and judged by nobody.
"""

from __future__ import annotations

from dataclasses import dataclass

from services.filter.layers.base import Answers, Pair, PairLayer, Scores, threshold
from stillhouse.text.fragments import fragments, novel_share
from stillhouse.text.words import words


@dataclass(frozen=True, slots=True)
class AbstractivenessThresholds:
    """How much may stand in the document in the same order."""

    max_run: float = threshold(
        12, "Rejected if that many words in a row, or more, stand in the document."
    )
    coverage: float = threshold(
        1, "Rejected if a larger share of its words lies in fragments of the document; 1 bears all."
    )
    density: float = threshold(
        8, "Rejected if the mean length of the fragment that a word lies in is larger (words)."
    )


class Abstractiveness(PairLayer[AbstractivenessThresholds]):
    """Rejects what is pieced together from its document."""

    name = "abstractiveness"
    scores = ("longest", "coverage", "density", "novel_2")
    Thresholds = AbstractivenessThresholds

    def measure(self, pair: Pair, answers: Answers) -> Scores:  # noqa: ARG002
        """`longest` run in words, `coverage` 0 to 1, `density` in words, `novel_2` 0 to 1."""
        found = fragments(pair.summary, pair.source)
        return {
            "longest": found.longest,
            "coverage": found.coverage,
            "density": found.density,
            "novel_2": novel_share(words(pair.summary), words(pair.source), 2),
        }

    def rule(self, scores: Scores) -> str | None:
        """long_run, covered, dense."""
        limits = self.thresholds
        if scores["longest"] >= limits.max_run:
            return "long_run"
        if scores["coverage"] > limits.coverage:
            return "covered"
        return "dense" if scores["density"] > limits.density else None
