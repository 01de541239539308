"""Masked infilling: how much a context helps a T5 to fill in the content words of a text.

InfoSumm's critics (arXiv 2403.13780, section 2) compare log p(text | masked text, context)
with log p(text | masked text). Both terms see the same masks and are asked for the same
spans, so that only the context differs (T5: Raffel et al. 2020, section 3.1.4, names the
spans <extra_id_0>, <extra_id_1>, ...). Which words the paper masks is not known. Here the
content words are dealt by lot into groups, and the text is asked once for each group: every
content word counts exactly once, wherever it stands.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from random import Random
from typing import NamedTuple

from stillhouse.errors import FailedPrecondition
from stillhouse.generator.types import ModelDescription, Score, ScoreItem
from stillhouse.text.words import Word, is_content, spans

_GROUPS = 3  # about a sixth of all words at once, near the share that T5 was trained on
_SENTINELS = 100  # that a T5 has
_OPENING = "<extra_id_"
_NO_OPENING = "<extra id "


@dataclass(frozen=True, slots=True)
class Mask:
    """A text with some words replaced by sentinels, and what shall stand there.

    words: places of the masked words in `target` (characters, end exclusive).
    """

    masked: str
    target: str
    words: tuple[tuple[int, int], ...]


class Infilling(NamedTuple):
    """In nats: means per masked token, the weakest token, the weakest word's gain."""

    pmi: float
    logprob: float
    weakest: float
    gain: float


@lru_cache(maxsize=1024)
def masks(text: str) -> tuple[Mask, ...]:
    """The masks of `text`: a function of it alone, each content word in exactly one."""
    text = text.replace(_OPENING, _NO_OPENING)
    every = spans(text)
    content = [place for place, word in enumerate(every) if is_content(word.key)]
    if not content:
        return ()
    count = min(len(content), max(_GROUPS, math.ceil(len(content) / _SENTINELS)))
    Random(0).shuffle(content)
    return tuple(_mask(text, every, sorted(content[start::count])) for start in range(count))


def infilling_items(text: str, context: str) -> tuple[ScoreItem, ...]:
    """What to ask: of each mask with the context before it, then without."""
    if not text or not context:
        return ()
    context = context.replace(_OPENING, _NO_OPENING)
    return tuple(
        ScoreItem(prefix, mask.target)
        for mask in masks(text)
        for prefix in (f"{context}\n{mask.masked}", mask.masked)
    )


def infilling(text: str, answers: Sequence[Score]) -> Infilling:
    """What the answers to `infilling_items` say; zeros if nothing was asked, else NaN where
    the critic gave no log-probabilities of tokens.
    """
    if not answers:
        return Infilling(0.0, 0.0, 0.0, 0.0)
    given: list[list[float]] = []
    alone: list[list[float]] = []
    for mask, one, other in zip(masks(text), answers[::2], answers[1::2], strict=True):
        given += _of_words(mask, one)
        alone += _of_words(mask, other)
    if [len(word) for word in given] != [len(word) for word in alone] or not all(given):
        return Infilling(math.nan, math.nan, math.nan, math.nan)
    with_context, without = (math.fsum(map(math.fsum, words)) for words in (given, alone))
    tokens = sum(map(len, given))
    gains = [math.fsum(a) - math.fsum(b) for a, b in zip(given, alone, strict=True)]
    return Infilling(
        (with_context - without) / tokens,
        with_context / tokens,
        _least(value for word in given for value in word),
        _least(gains),
    )


def check_infills(model: ModelDescription) -> None:
    """FailedPrecondition unless the model is a T5 or of its kin, trained to fill spans in."""
    if "T5" not in model.architecture:
        raise FailedPrecondition(
            f"the model at STILLHOUSE_MASKED_CRITIC_TARGET is a {model.architecture}, which does "
            "not fill spans in; a T5 is needed, such as google/t5-v1_1-large"
        )


def _mask(text: str, every: Sequence[Word], chosen: Sequence[int]) -> Mask:
    masked, target, places = "", "", []
    end = sentinels = 0
    before: int | None = None
    for place in chosen:
        word = every[place]
        between = text[end : word.start]
        if before == place - 1 and not between.strip():
            target += between
        else:
            masked += f"{between}{_OPENING}{sentinels}>"
            target += f"{' ' if target else ''}{_OPENING}{sentinels}> "
            sentinels += 1
        places.append((len(target), len(target) + len(word.text)))
        target += word.text
        end, before = word.end, place
    return Mask(masked + text[end:], target, tuple(places))


def _of_words(mask: Mask, score: Score) -> list[list[float]]:
    """Per masked word the log-probabilities of its tokens; those of sentinels count nowhere."""
    if not len(score.token_ends) == len(score.token_logprobs) == score.tokens:
        return [[] for _ in mask.words]
    starts = (0, *score.token_ends)[: score.tokens]
    tokens = list(zip(starts, score.token_ends, score.token_logprobs, strict=True))
    found, first = [], 0
    for start, end in mask.words:
        while first < len(tokens) and tokens[first][1] <= start:
            first += 1
        last = first
        while last < len(tokens) and tokens[last][0] < end:
            last += 1
        found.append([value for _, _, value in tokens[first:last]])
    return found


def _least(values: Iterable[float]) -> float:
    listed = list(values)
    return math.nan if any(map(math.isnan, listed)) else min(listed)
