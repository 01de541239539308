"""Faithfulness: the document makes the summary likelier, every content word of it.

The mean PMI(x; y) / |y| > tau_F is InfoSumm's faithfulness critic (arXiv 2403.13780,
section 2) in causal form. It tells another document's summary apart with ease, but a
mean hides one wrong word among twelve right ones; so the weakest content word is
judged by itself, by how likely it is where it stands and by what the document adds.
"""

from __future__ import annotations

from dataclasses import dataclass

from services.filter.critic import mean_pmi, pointwise_gains, summary_items, weakest_word
from services.filter.layers.base import Answers, Pair, PairLayer, Questions, Scores, threshold


@dataclass(frozen=True, slots=True)
class FaithfulnessThresholds:
    """How much the document must support; all in nats."""

    pmi: float = threshold(1.0, "Rejected below this mean PMI (nats per token of the summary).")
    weakest_logprob: float = threshold(
        -8.0, "Rejected if a content word's log-probability given document and prompt is below."
    )
    weakest_gain: float = threshold(
        -1.0, "Rejected if the document adds less than this to a content word's log-probability."
    )


class Faithfulness(PairLayer[FaithfulnessThresholds]):
    """Rejects what the document does not make likelier, as a whole and word by word."""

    name = "faithfulness"
    scores = ("pmi", "weakest_logprob", "weakest_gain")
    Thresholds = FaithfulnessThresholds

    def questions(self, pair: Pair) -> Questions:
        """The summary's likelihood after the document, and after the prompt alone."""
        return Questions(critic=summary_items(pair.source, pair.summary))

    def measure(self, pair: Pair, answers: Answers) -> Scores:
        """`pmi` per token; the weakest content word's log-probability and its gain."""
        if not answers.critic:
            return dict.fromkeys(self.scores, 0.0)
        given = answers.critic[0]
        gains = pointwise_gains(answers.critic)
        return {
            "pmi": mean_pmi(answers.critic),
            "weakest_logprob": weakest_word(pair.summary, given.token_logprobs, given),
            "weakest_gain": weakest_word(pair.summary, gains, given),
        }

    def rule(self, scores: Scores) -> str | None:
        """unsupported (the mean), unsupported_word, unexpected_word."""
        limits = self.thresholds
        if scores["pmi"] < limits.pmi:
            return "unsupported"
        if scores["weakest_logprob"] < limits.weakest_logprob:
            return "unexpected_word"
        return "unsupported_word" if scores["weakest_gain"] < limits.weakest_gain else None
