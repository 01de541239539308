"""Dissimilarity: a paraphrase says it in other words than its source.

ROUGE-L(x, y) <= 0.75: the lexical filter of Impossible Distillation (arXiv 2305.16635v4,
section 3.2). The paper's syntactic filter (tree edit distance of constituency trees from
Stanford CoreNLP, at least 12) is absent, as it is from the authors' code: no parser of
that kind comes with this package.
"""

from __future__ import annotations

from dataclasses import dataclass

from services.filter.layers.base import Answers, Pair, PairLayer, Scores, threshold
from services.filter.subsequence import rouge_l
from stillhouse.text.words import words


@dataclass(frozen=True, slots=True)
class DissimilarityThresholds:
    """How much may stay."""

    rouge_l: float = threshold(0.75, "Rejected if its ROUGE-L with the source is above.")


class Dissimilarity(PairLayer[DissimilarityThresholds]):
    """Rejects what repeats its source."""

    name = "dissimilarity"
    scores = ("rouge_l",)
    Thresholds = DissimilarityThresholds

    def measure(self, pair: Pair, answers: Answers) -> Scores:  # noqa: ARG002
        """`rouge_l` of the folded words, F1 from 0 to 1."""
        return {"rouge_l": rouge_l(words(pair.source), words(pair.summary))}

    def rule(self, scores: Scores) -> str | None:
        """too_similar."""
        return "too_similar" if scores["rouge_l"] > self.thresholds.rouge_l else None
