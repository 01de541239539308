"""Fetching what layers ask: each question once, all of a batch together.

The two backends are protocols, so that the pure core runs on anything that answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from services.filter.layers.base import Answers, CorpusMatch, Layer, Pair
from stillhouse.generator.types import Score, ScoreItem

Q = TypeVar("Q", bound=Hashable)
A = TypeVar("A")


class Critic(Protocol):
    """A frozen language model that scores texts."""

    async def score(self, items: Sequence[ScoreItem]) -> Sequence[Score]:
        """One score per item, in order, with the log-probability of each token.

        Unavailable if the critic is away; a NaN logprob for an item it can't score.
        """


class CorpusIndex(Protocol):
    """The n-gram indexes of one corpus or several."""

    async def match(self, texts: Sequence[str]) -> Sequence[tuple[CorpusMatch, ...] | None]:
        """How each text stands in each corpus, in order.

        Unavailable if an index is away; None for a text that it refuses.
        """


@dataclass(frozen=True, slots=True)
class Backends:
    """Who answers the layers' questions."""

    critic: Critic
    index: CorpusIndex


async def gather(layer: Layer[Any], pairs: Sequence[Pair], backends: Backends) -> list[Answers]:
    """The answers to what `layer` asks about each pair, in order."""
    questions = [layer.questions(pair) for pair in pairs]
    scores, matches = await asyncio.gather(
        _ask([q.critic for q in questions], backends.critic.score),
        _ask([q.index for q in questions], backends.index.match),
    )
    return [Answers(*both) for both in zip(scores, matches, strict=True)]


async def _ask(
    questions: Sequence[tuple[Q, ...]], answer: Callable[[Sequence[Q]], Awaitable[Sequence[A]]]
) -> list[tuple[A, ...]]:
    """Answer all questions in one call, the repeated ones once (log p(x) of a document)."""
    distinct = list(dict.fromkeys(question for asked in questions for question in asked))
    if not distinct:
        return [() for _ in questions]
    answers = dict(zip(distinct, await answer(distinct), strict=True))
    return [tuple(answers[question] for question in asked) for asked in questions]
