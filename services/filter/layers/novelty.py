"""Novelty: a summary says it in words of its own.

Two views. The corpus index gives the longest run of tokens that stands anywhere in
the corpus (matching statistics over RPC); the document itself gives the share of the
summary's words that lie in runs copied from it, after the extractive fragments of
Grusky et al. 2018 (Newsroom, section 4).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from services.filter.layers.base import Answers, Pair, PairLayer, Questions, Scores, threshold
from services.filter.words import ngrams, words
from stillhouse.index.types import MatchStatistics


@dataclass(frozen=True, slots=True)
class NoveltyThresholds:
    """How much may be copied."""

    max_run: float = threshold(
        20, "Rejected if that many tokens in a row, or more, stand in the corpus."
    )
    max_share: float = threshold(
        0.8, "Rejected if that share of its tokens, or more, is one run of the corpus."
    )
    run_words: float = threshold(6, "Words in a row that count as copied from the document.")
    verbatim: float = threshold(
        0.8, "Rejected if that share of its words, or more, lies in copied runs."
    )


class Novelty(PairLayer[NoveltyThresholds]):
    """Rejects what is copied from the corpus or from its own document."""

    name = "novelty"
    scores = ("run", "share", "verbatim")
    measuring = ("run_words",)
    Thresholds = NoveltyThresholds

    def questions(self, pair: Pair) -> Questions:
        """The matching statistics of the summary."""
        return Questions(index=(pair.summary,)) if pair.summary else Questions()

    def measure(self, pair: Pair, answers: Answers) -> Scores:
        """`run` in tokens, `share` of the tokens, `verbatim` share of the words."""
        run, share = longest_match(answers.index)
        size = max(1, int(self.thresholds.run_words))
        verbatim = copied_share(words(pair.summary), words(pair.source), size)
        return {"run": run, "share": share, "verbatim": verbatim}

    def rule(self, scores: Scores) -> str | None:
        """copied_run, verbatim."""
        limits = self.thresholds
        if scores["run"] >= limits.max_run or scores["share"] >= limits.max_share:
            return "copied_run"
        return "verbatim" if scores["verbatim"] >= limits.verbatim else None


def longest_match(answers: Sequence[MatchStatistics | None]) -> tuple[float, float]:
    """Longest match over all answers, in tokens and as share of its sequence; NaN if one
    is missing.
    """
    run, share = 0.0, 0.0
    for answer in answers:
        if answer is None:
            return math.nan, math.nan
        longest = int(answer.lengths.max(initial=0))
        run = max(run, float(longest))
        share = max(share, longest / max(1, len(answer.lengths)))
    return run, share


def copied_share(summary: Sequence[str], source: Sequence[str], size: int) -> float:
    """Share of the words of `summary` inside runs of `size` or more that `source` has."""
    known = set(ngrams(source, size))
    copied = bytearray(len(summary))
    for start, run in enumerate(ngrams(summary, size)):
        if run in known:
            copied[start : start + size] = b"\1" * size
    return sum(copied) / max(1, len(summary))
