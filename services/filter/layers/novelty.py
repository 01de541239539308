"""Novelty: a summary says it in words of its own.

Two views. The corpus indexes give the longest run of tokens that stands anywhere in a
corpus, the share of the tokens inside matches of at least n, and the infinity-gram
likelihood (matching statistics and scores over RPC); of several corpora the one in which
the summary is least new decides. Lengths vary, since fixed 13-grams see nothing in texts
that have hardly more tokens. The document itself gives the share of the summary's words
that lie in runs copied from it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from services.filter.layers.base import (
    Answers,
    CorpusMatch,
    Pair,
    PairLayer,
    Questions,
    Scores,
    threshold,
)
from stillhouse.text.words import ngrams, words

_CORPUS_SCORES = ("run", "share", "matched", "logprob")
_NEVER = -1e9  # nats; finite, since a score must be


@dataclass(frozen=True, slots=True)
class NoveltyThresholds:
    """How much may be copied."""

    max_run: float = threshold(
        20, "Rejected if that many tokens in a row, or more, stand in the corpus."
    )
    max_share: float = threshold(
        0.8, "Rejected if that share of its tokens, or more, is one run of the corpus."
    )
    match_tokens: float = threshold(8, "Tokens in a row that count as a match of the corpus.")
    max_matched: float = threshold(
        1, "Rejected if a larger share of its tokens lies inside matches; 1 bears all."
    )
    max_logprob: float = threshold(
        0, "Rejected if its mean infinity-gram log-probability, in nats a token, is above."
    )
    run_words: float = threshold(6, "Words in a row that count as copied from the document.")
    verbatim: float = threshold(
        0.8, "Rejected if that share of its words, or more, lies in copied runs."
    )


class Novelty(PairLayer[NoveltyThresholds]):
    """Rejects what is copied from the corpus or from its own document."""

    name = "novelty"
    scores = ("run", "share", "matched", "logprob", "verbatim")
    measuring = ("match_tokens", "run_words")
    Thresholds = NoveltyThresholds

    def questions(self, pair: Pair) -> Questions:
        """How the summary stands in each corpus."""
        return Questions(index=(pair.summary,)) if pair.summary else Questions()

    def measure(self, pair: Pair, answers: Answers) -> Scores:
        """`run` in tokens, `share` and `matched` of the tokens, `logprob` in nats a token, each
        of the corpus where it is largest (and, of several, of each by name: `run.NAME`);
        `verbatim` share of the words.
        """
        limits = self.thresholds
        size = max(1, int(limits.run_words))
        verbatim = copied_share(words(pair.summary), words(pair.source), size)
        return corpus_scores(answers.index, max(1, int(limits.match_tokens))) | {
            "verbatim": verbatim
        }

    def rule(self, scores: Scores) -> str | None:
        """copied_run, matched, likely, verbatim."""
        limits = self.thresholds
        if scores["run"] >= limits.max_run or scores["share"] >= limits.max_share:
            return "copied_run"
        if scores["matched"] > limits.max_matched:
            return "matched"
        if scores["logprob"] > limits.max_logprob:
            return "likely"
        return "verbatim" if scores["verbatim"] >= limits.verbatim else None


def corpus_scores(answers: Sequence[tuple[CorpusMatch, ...] | None], size: int) -> dict[str, float]:
    """`run`, `share`, `matched` and `logprob` of the strictest corpus; NaN if one is missing.

    Without a question the text is as new as can be: zeros, and the log-probability -1e9.
    """
    if any(answer is None for answer in answers):
        return dict.fromkeys(_CORPUS_SCORES, math.nan)
    matches = [match for answer in answers for match in answer or ()]
    if not matches:
        return {"run": 0.0, "share": 0.0, "matched": 0.0, "logprob": _NEVER}
    rows = [_scores_in(match, size) for match in matches]
    scores = {name: max(row[name] for row in rows) for name in _CORPUS_SCORES}
    if len(rows) > 1:
        for match, row in zip(matches, rows, strict=True):
            scores |= {f"{name}.{match.index}": value for name, value in row.items()}
    return scores


def _scores_in(match: CorpusMatch, size: int) -> dict[str, float]:
    tokens = max(1, len(match.lengths))
    longest = int(match.lengths.max(initial=0))
    return {
        "run": float(longest),
        "share": longest / tokens,
        "matched": matched_tokens(match.lengths, size) / tokens,
        "logprob": match.logprob,
    }


def matched_tokens(lengths: NDArray[np.uint32], size: int) -> int:
    """How many tokens lie inside a match of `size` tokens or more.

    lengths: (n,) uint32, longest match starting at each token.
    """
    reach = np.where(lengths >= size, np.arange(len(lengths)) + lengths, 0)
    return int((np.maximum.accumulate(reach) > np.arange(len(lengths))).sum())


@lru_cache(maxsize=32)
def _runs(source: tuple[str, ...], size: int) -> frozenset[tuple[str, ...]]:
    return frozenset(ngrams(source, size))


def copied_share(summary: Sequence[str], source: Sequence[str], size: int) -> float:
    """Share of the words of `summary` inside runs of `size` or more that `source` has."""
    known = _runs(tuple(source), size)
    copied = bytearray(len(summary))
    for start, run in enumerate(ngrams(summary, size)):
        if run in known:
            copied[start : start + size] = b"\1" * size
    return sum(copied) / max(1, len(summary))
