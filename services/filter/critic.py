"""Prompts for the critic, and pointwise mutual information from its scores.

PMI(x; y) = log p(y | x) - log p(y), in nats. The frozen critic reads the same words in
both terms, once with the document and once without, so that what the prompt alone
makes likely cancels. A causal form of InfoSumm's critics (arXiv 2403.13780, section 2),
which infill masked spans instead.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from stillhouse.generator.types import Score, ScoreItem
from stillhouse.text.words import is_content, spans

_ASK_SUMMARY = {"summarize": "\n\nIn short:", "paraphrase": "\n\nIn other words:"}
_ASK_SOURCE = {"summarize": "\n\nIn full:", "paraphrase": "\n\nIn other words:"}
TASKS = ("summarize", "paraphrase")
"""By which words the critic is asked. A plain repetition would be unlikely without them."""


def summary_items(source: str, summary: str, task: str = TASKS[0]) -> tuple[ScoreItem, ...]:
    """What to ask for PMI(x; y) read from the summary: with x, then without."""
    if not summary:
        return ()
    continuation = f" {summary}"
    return (
        ScoreItem(f"{source}{_ASK_SUMMARY[task]}", continuation),
        ScoreItem(_ASK_SUMMARY[task], continuation),
    )


def source_items(source: str, summary: str, task: str = TASKS[0]) -> tuple[ScoreItem, ...]:
    """What to ask for PMI(x; y) read from the document: with y, then without."""
    if not summary or not source:
        return ()
    continuation = f" {source}"
    return (
        ScoreItem(f"{summary}{_ASK_SOURCE[task]}", continuation),
        ScoreItem(_ASK_SOURCE[task], continuation),
    )


def mean_pmi(answers: Sequence[Score]) -> float:
    """(log p(with) - log p(without)) / tokens, in nats a token; 0 if nothing was asked."""
    if not answers:
        return 0.0
    given, alone = answers
    if given.tokens != alone.tokens:
        return math.nan
    return (given.logprob - alone.logprob) / max(1, given.tokens)


def mean_logprob(score: Score) -> float:
    """log p / tokens, in nats a token."""
    return score.logprob / max(1, score.tokens)


def weakest_token(score: Score) -> float:
    """Minimum of the tokens' log-probabilities in nats; NaN if they are not there.

    Over all tokens, since a wrong word makes its neighbours unlikely too.
    """
    values = score.token_logprobs
    if math.isnan(score.logprob):
        return math.nan
    if len(values) != score.tokens or any(map(math.isnan, values)):
        return math.nan
    return min(values, default=0.0)


def weakest_word(text: str, logprobs: Sequence[float], score: Score) -> float:
    """Minimum over the content words of `text` of the sum of their tokens' `logprobs`.

    `score` says where the tokens end in " " + text. NaN if it says nothing or a value is
    NaN, 0 if there is no content word.
    """
    if math.isnan(score.logprob):
        return math.nan
    if len(score.token_ends) != score.tokens or len(logprobs) != score.tokens:
        return math.nan
    sums = list(_word_sums(text, logprobs, score.token_ends))
    return math.nan if any(map(math.isnan, sums)) else min(sums, default=0.0)


def pointwise_gains(answers: Sequence[Score]) -> list[float]:
    """Per token of y, log p(with) - log p(without) in nats; [] if the tokens differ."""
    if not answers or len(answers[0].token_logprobs) != len(answers[1].token_logprobs):
        return []
    given, alone = answers
    return [a - b for a, b in zip(given.token_logprobs, alone.token_logprobs, strict=True)]


def _word_sums(text: str, logprobs: Sequence[float], ends: Sequence[int]) -> Iterator[float]:
    """Per content word the sum over the tokens that reach into it; in order."""
    token = 0
    for word in spans(text):
        if not is_content(word.key):
            continue
        start, end = word.start + 1, word.end + 1  # the continuation is " " + text
        while token < len(ends) and ends[token] <= start:
            token += 1
        last = token
        while last < len(ends) and (last == token or ends[last - 1] < end):
            last += 1
        yield math.fsum(logprobs[token:last])
