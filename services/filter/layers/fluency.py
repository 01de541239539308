"""Fluency: the model that wrote a candidate finds it likely.

Decoding under constraints can force words on a model; what it had to be talked into is
seldom a sentence. Its own mean log-probability comes with the candidate and costs nothing,
where a critic's costs a pass of a model: of 168 candidates that reached `faithfulness` this
layer spared it 114, and lost none of those that it accepted (docs/log.md).
After the fluency filter of Referee (Sclar et al. 2022, arXiv 2210.13800), which asks GPT-2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from services.filter.layers.base import Answers, Pair, PairLayer, Scores, threshold


@dataclass(frozen=True, slots=True)
class FluencyThresholds:
    """How likely it must be."""

    logprob: float = threshold(
        -2.0, "Rejected below this mean log-probability by its own model, in nats a token."
    )


class Fluency(PairLayer[FluencyThresholds]):
    """Rejects what its own model finds unlikely, and what no model tells the likelihood of."""

    name = "fluency"
    scores = ("logprob",)
    Thresholds = FluencyThresholds

    def measure(self, pair: Pair, answers: Answers) -> Scores:  # noqa: ARG002
        """`logprob` in nats a token; NaN for a text of no tokens, which no model wrote."""
        one = pair.candidate
        if one.text and not one.tokens:
            return {"logprob": math.nan}
        return {"logprob": one.logprob / max(1, one.tokens)}

    def rule(self, scores: Scores) -> str | None:
        """unlikely."""
        return "unlikely" if scores["logprob"] < self.thresholds.logprob else None
