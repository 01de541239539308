"""Constraints: a candidate satisfies the clauses that it was written under.

NeuroLogic decoding bars most violations, yet a text may reach its length limit too early
(Lu et al. 2021, section 2). The generator tells of every clause; this layer judges.
"""

from __future__ import annotations

from services.filter.layers.base import Answers, NoThresholds, Pair, PairLayer, Scores


class Constraints(PairLayer[NoThresholds]):
    """Rejects what violates a constraint."""

    name = "constraints"
    scores = ("unmet",)

    def measure(self, pair: Pair, answers: Answers) -> Scores:  # noqa: ARG002
        """`unmet`, the number of clauses that the candidate does not satisfy."""
        return {"unmet": pair.candidate.clauses.count(False)}

    def rule(self, scores: Scores) -> str | None:
        """unmet."""
        return "unmet" if scores["unmet"] else None
