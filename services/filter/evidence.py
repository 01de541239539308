"""Fetching what layers ask: each question once, all of a batch together.

The backends are protocols, so that the pure core runs on anything that answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from services.filter.layers.base import Answers, CorpusMatch, Entailment, Inference, Layer, Pair
from stillhouse.errors import InvalidArgument
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


class Nli(Protocol):
    """A model of natural language inference."""

    async def entail(self, questions: Sequence[Inference]) -> Sequence[Entailment]:
        """One answer per question, in order."""


@dataclass(frozen=True, slots=True)
class Backends:
    """Who answers the layers' questions; None for what this filter doesn't have."""

    critic: Critic
    index: CorpusIndex
    nli: Nli | None = None
    masked: Critic | None = None


_REMEDIES = {
    "nli": "asks an NLI model, and this filter has none: set STILLHOUSE_NLI_MODEL where the "
    "filter is started, or leave the layer (or its option) out",
    "masked": "asks a masked critic (`form: masked`), and this filter has none: set "
    "STILLHOUSE_MASKED_CRITIC_TARGET where the filter is started, or take `form: causal`",
}


def check_answerable(layers: Sequence[Layer[Any]], backends: Backends) -> None:
    """InvalidArgument names the first layer that asks a backend which isn't there."""
    for position, layer in enumerate(layers):
        for name in layer.needs:
            if getattr(backends, name) is None:
                raise InvalidArgument(
                    f"cascade.layers[{position}]", f"{layer.name!r} {_REMEDIES[name]}"
                )


async def gather(
    layer: Layer[Any], pairs: Sequence[Pair], alive: Sequence[bool], backends: Backends
) -> list[Answers]:
    """The answers to what `layer` asks about each pair, in order."""
    questions = layer.questions_all(pairs, alive)
    scores, matches, entailments, infillings = await asyncio.gather(
        _ask([q.critic for q in questions], backends.critic.score),
        _ask([q.index for q in questions], backends.index.match),
        _ask([q.nli for q in questions], backends.nli.entail if backends.nli else _nobody),
        _ask([q.masked for q in questions], backends.masked.score if backends.masked else _nobody),
    )
    return [Answers(*each) for each in zip(scores, matches, entailments, infillings, strict=True)]


async def _nobody(questions: Sequence[Any]) -> Sequence[Any]:
    raise AssertionError(f"{len(questions)} questions to a backend that was checked to be there")


async def _ask(
    questions: Sequence[tuple[Q, ...]], answer: Callable[[Sequence[Q]], Awaitable[Sequence[A]]]
) -> list[tuple[A, ...]]:
    """Answer all questions in one call, the repeated ones once (log p(x) of a document)."""
    distinct = list(dict.fromkeys(question for asked in questions for question in asked))
    if not distinct:
        return [() for _ in questions]
    answers = dict(zip(distinct, await answer(distinct), strict=True))
    return [tuple(answers[question] for question in asked) for asked in questions]
