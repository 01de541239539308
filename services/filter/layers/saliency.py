"""Saliency: the summary makes the document likelier, the more the longer it is.

(log p(x | y) - log p(x)) / |x| > tau_S * |y| / |x|: the saliency critic of InfoSumm
(arXiv 2403.13780, section 2) in causal form; its threshold grows with the ratio of
compression, so that a longer summary must buy more of the document; `form: masked` asks a
T5 to fill the document's content words in, as published. It scores the whole
document per candidate, the dearest question of all, hence late in the cascade. The
default holds for the same critic and documents as that of faithfulness.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from services.filter.critic import TASKS, mean_pmi, source_items
from services.filter.layers.base import Answers, Pair, PairLayer, Questions, Scores, threshold
from services.filter.masking import infilling, infilling_items
from stillhouse.text.words import words


@dataclass(frozen=True, slots=True)
class SaliencyThresholds:
    """How much of the document a summary must tell."""

    tau: float = threshold(
        1.3,
        "tau_S: rejected unless the PMI in nats per token of the document is above tau * |y|/|x|.",
    )


class Saliency(PairLayer[SaliencyThresholds]):
    """Rejects what says little of the document for its length."""

    name = "saliency"
    scores = ("pmi", "ratio")
    choices: ClassVar = {"form": ("causal", "masked"), "task": TASKS}
    Thresholds = SaliencyThresholds

    @property
    def needs(self) -> tuple[str, ...]:
        """The masked critic, for that form."""
        return ("masked",) if self.options["form"] == "masked" else ()

    def questions(self, pair: Pair) -> Questions:
        """The document's likelihood after the summary, and after the prompt alone; in masked
        form that of its content words, in their places, with the summary and without.
        """
        if self.needs:
            return Questions(masked=infilling_items(pair.source, pair.summary))
        return Questions(critic=source_items(pair.source, pair.summary, self.options["task"]))

    def measure(self, pair: Pair, answers: Answers) -> Scores:
        """`pmi` in nats per token of the document; `ratio` |y|/|x| in words."""
        ratio = len(words(pair.summary)) / max(1, len(words(pair.source)))
        if self.needs:
            return {"pmi": infilling(pair.source, answers.masked).pmi, "ratio": ratio}
        return {"pmi": mean_pmi(answers.critic), "ratio": ratio}

    def rule(self, scores: Scores) -> str | None:
        """uninformative."""
        informative = scores["pmi"] > self.thresholds.tau * scores["ratio"]
        return None if informative else "uninformative"
