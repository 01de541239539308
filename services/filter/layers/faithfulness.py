"""Faithfulness: the document makes the summary likelier, every content word of it.

The mean PMI(x; y) / |y| > tau_F is InfoSumm's faithfulness critic (arXiv 2403.13780,
section 2) in causal form. It tells another document's summary apart with ease, but a
mean hides one wrong word among twelve right ones. So the weakest place is judged by
itself: the least likely token given the document, and the content word to whose
likelihood the document adds least.

`form: masked` asks a T5 to fill the summary's content words in, as published; its scores
then are of these words alone, and its thresholds other ones.

The defaults hold for SmolLM2-135M-Instruct as critic, set on hard negatives of Python
documentation (docs/results/calibration.md); another critic needs its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from services.filter.critic import (
    TASKS,
    mean_logprob,
    mean_pmi,
    pointwise_gains,
    summary_items,
    weakest_token,
    weakest_word,
)
from services.filter.layers.base import Answers, Pair, PairLayer, Questions, Scores, threshold
from services.filter.masking import infilling, infilling_items


@dataclass(frozen=True, slots=True)
class FaithfulnessThresholds:
    """How much the document must support; all in nats."""

    pmi: float = threshold(1.2, "Rejected below this mean PMI, per token of the summary.")
    logprob: float = threshold(
        -2.0, "Rejected below this mean log-probability given the document, per token."
    )
    weakest: float = threshold(
        -8.5, "Rejected if a token's log-probability given the document is below."
    )
    gain: float = threshold(
        -2.0, "Rejected if the document adds less to a content word's log-probability."
    )


class Faithfulness(PairLayer[FaithfulnessThresholds]):
    """Rejects what the document does not make likely, as a whole and word by word."""

    name = "faithfulness"
    scores = ("pmi", "logprob", "weakest", "gain")
    choices: ClassVar = {"form": ("causal", "masked"), "task": TASKS}
    Thresholds = FaithfulnessThresholds

    @property
    def needs(self) -> tuple[str, ...]:
        """The masked critic, for that form."""
        return ("masked",) if self.options["form"] == "masked" else ()

    def questions(self, pair: Pair) -> Questions:
        """The summary's likelihood after the document, and after the prompt alone; in masked
        form that of its content words, in their places, with the document and without.
        """
        if self.needs:
            return Questions(masked=infilling_items(pair.summary, pair.source))
        return Questions(critic=summary_items(pair.source, pair.summary, self.options["task"]))

    def measure(self, pair: Pair, answers: Answers) -> Scores:
        """`pmi` and `logprob` per token, `weakest` token, `gain` of the weakest content word."""
        if self.needs:
            return infilling(pair.summary, answers.masked)._asdict()
        if not answers.critic:
            return dict.fromkeys(self.scores, 0.0)
        given = answers.critic[0]
        return {
            "pmi": mean_pmi(answers.critic),
            "logprob": mean_logprob(given),
            "weakest": weakest_token(given),
            "gain": weakest_word(pair.summary, pointwise_gains(answers.critic), given),
        }

    def rule(self, scores: Scores) -> str | None:
        """unsupported, unlikely (the means); unexpected_word, unsupported_word (the weakest)."""
        limits = self.thresholds
        if scores["pmi"] < limits.pmi:
            return "unsupported"
        if scores["logprob"] < limits.logprob:
            return "unlikely"
        if scores["weakest"] < limits.weakest:
            return "unexpected_word"
        return "unsupported_word" if scores["gain"] < limits.gain else None
