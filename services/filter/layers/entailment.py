"""Entailment: by an NLI model, the document entails the summary; of a paraphrase also the reverse.

p(x => y) >= 0.75, and for paraphrases p(y => x) >= 0.75: the semantic filter of Impossible
Distillation (arXiv 2305.16635v4, section 3.2; RoBERTa-large trained on WANLI there). Which
model is the filter's setting. What is longer than the model reads at once is rejected as
`too_long` and never cut, since the part cut off could be the one that decides.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from services.filter.layers.base import (
    Answers,
    Inference,
    Pair,
    PairLayer,
    Questions,
    Scores,
    threshold,
)


@dataclass(frozen=True, slots=True)
class EntailmentThresholds:
    """How sure the model must be."""

    forward: float = threshold(0.75, "Rejected if p(document => candidate) is below it.")
    backward: float = threshold(
        0.75, "With `ways: both` rejected if p(candidate => document) is below it."
    )


class EntailmentLayer(PairLayer[EntailmentThresholds]):
    """Rejects what its document does not entail, and what does not entail its document."""

    name = "entailment"
    scores: tuple[str, ...] = ("overlong", "forward")
    choices: ClassVar = {"ways": ("one", "both")}
    Thresholds = EntailmentThresholds

    def __init__(
        self, thresholds: EntailmentThresholds, options: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(thresholds, options)
        self._both = self.options["ways"] == "both"
        if self._both:
            self.scores = (*self.scores, "backward")

    @property
    def needs(self) -> tuple[str, ...]:
        """The NLI model."""
        return ("nli",)

    def questions(self, pair: Pair) -> Questions:
        """Whether x entails y and, both ways, y entails x; nothing where one is empty."""
        if not pair.source.strip() or not pair.summary.strip():
            return Questions()
        forward = Inference(pair.source, pair.summary)
        backward = (Inference(pair.summary, pair.source),) if self._both else ()
        return Questions(nli=(forward, *backward))

    def measure(self, pair: Pair, answers: Answers) -> Scores:  # noqa: ARG002
        """`forward` and `backward` probabilities; `overlong`, tokens that the model can't read."""
        names = self.scores[1:]
        if not answers.nli:
            return {"overlong": 0.0} | dict.fromkeys(names, 0.0)
        overlong = max(answer.overlong for answer in answers.nli)
        values = (answer.probability for answer in answers.nli)
        return {"overlong": overlong} | dict(zip(names, values, strict=True))

    def refusal(self, scores: Scores) -> str | None:
        """too_long."""
        return "too_long" if scores.get("overlong") else None

    def rule(self, scores: Scores) -> str | None:
        """not_entailed, not_entailing."""
        if scores["forward"] < self.thresholds.forward:
            return "not_entailed"
        if self._both and scores["backward"] < self.thresholds.backward:
            return "not_entailing"
        return None
