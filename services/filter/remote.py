"""The critic and the corpus index over gRPC, in calls cut to size.

Away, overloaded or too slow means `Unavailable`: the worker then holds the batch and
tries again, and a caller of the rpc is told so. So is one that refuses how it is asked: a
setting is wrong. A text that a backend refuses gets no score, which its layer turns into a
rejection that says `no_score`.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import numpy as np

from services.filter import metrics
from services.filter.layers.base import CorpusMatch
from stillhouse.errors import (
    DeadlineExceeded,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    ResourceExhausted,
    Unavailable,
    Unimplemented,
)
from stillhouse.generator.types import Score, ScoreItem
from stillhouse.index.types import MatchStatistics, Scores

Q = TypeVar("Q")
A = TypeVar("A")

_ATTEMPTS = 4  # at a backend's limit, before the batch is held back


@dataclass(frozen=True, slots=True)
class Limits:
    """Size and time of one call to a backend."""

    items: int = 128
    characters: int = 1_000_000
    seconds: float = 120.0


@dataclass(frozen=True, slots=True)
class Backend:
    """A backend's name, the setting that says which one it is, and its field of questions."""

    name: str
    setting: str
    field: str

    def __str__(self) -> str:
        return f"the {self.name} ({self.setting})"


CRITIC = Backend("critic", "STILLHOUSE_CRITIC_TARGET", "items")
MASKED_CRITIC = Backend("masked critic", "STILLHOUSE_MASKED_CRITIC_TARGET", "items")
_INDEX = Backend("index", "STILLHOUSE_INDEX_NAMES", "queries")


class ScoreClient(Protocol):
    """What is needed of `stillhouse.generator.client.AsyncGeneratorClient`."""

    async def score(
        self, items: Sequence[ScoreItem], per_token: bool = False, model_digest: str = ""
    ) -> Sequence[Score]:
        """One score per item."""


class MatchClient(Protocol):
    """What is needed of `stillhouse.index.client.AsyncIndexClient`."""

    async def match_lengths_batch(
        self, queries: Sequence[str], index: str = ""
    ) -> Sequence[MatchStatistics]:
        """One answer per query."""

    async def score_batch(self, queries: Sequence[str], index: str = "") -> Sequence[Scores]:
        """One answer per query."""


class RemoteCritic:
    """The critic: a generator service whose model is frozen."""

    def __init__(self, client: ScoreClient, limits: Limits, backend: Backend = CRITIC) -> None:
        self._client = client
        self._calls = _Calls(backend, self._score, _UNSCORED, limits)

    async def score(self, items: Sequence[ScoreItem]) -> list[Score]:
        """One score per item, in order; items of one prefix travel together."""
        order = sorted(range(len(items)), key=lambda i: items[i].prefix)
        scores = await self._calls.all([items[i] for i in order], _item_size)
        return [score for _, score in sorted(zip(order, scores, strict=True), key=_first)]

    async def _score(self, items: Sequence[ScoreItem]) -> Sequence[Score]:
        return await self._client.score(items, per_token=True)


class RemoteIndexes:
    """Indexes of the index service by name; the name "" is its only one."""

    def __init__(self, client: MatchClient, names: Sequence[str], limits: Limits) -> None:
        self._client = client
        self._names = tuple(names)
        self._calls: _Calls[str, tuple[CorpusMatch, ...] | None] = _Calls(
            _INDEX, self._match, None, limits
        )

    async def match(self, texts: Sequence[str]) -> list[tuple[CorpusMatch, ...] | None]:
        """How each text stands in each index, in order; None for a text that one refuses."""
        return await self._calls.all(texts, len)

    async def _match(self, texts: Sequence[str]) -> Sequence[tuple[CorpusMatch, ...]]:
        per_index = await asyncio.gather(*(self._match_one(name, texts) for name in self._names))
        return list(zip(*per_index, strict=True))

    async def _match_one(self, name: str, texts: Sequence[str]) -> list[CorpusMatch]:
        matches, scores = await asyncio.gather(
            self._client.match_lengths_batch(texts, index=name),
            self._client.score_batch(texts, index=name),
        )
        if not len(matches) == len(scores) == len(texts):
            raise Unavailable(f"{_INDEX} gave {len(matches)} and {len(scores)} answers")
        return [
            CorpusMatch(name, match.lengths, infgram_logprob(score))
            for match, score in zip(matches, scores, strict=True)
        ]


def infgram_logprob(scores: Scores) -> float:
    """Mean log-probability of a token in nats; 0 without tokens.

    What never followed its context counts as seen once in one place more: 1 / (n + 1).
    """
    if not len(scores.counts):
        return 0.0
    seen = np.maximum(scores.counts, 1).astype(np.float64)
    places = scores.context_counts.astype(np.float64) + (scores.counts == 0)
    return float(np.mean(np.log(seen / np.maximum(places, 1))))


_UNSCORED = Score(math.nan, 0)


class _Calls(Generic[Q, A]):
    """Calls of one kind to one backend."""

    def __init__(
        self,
        backend: Backend,
        call: Callable[[Sequence[Q]], Awaitable[Sequence[A]]],
        refused: A,
        limits: Limits,
    ) -> None:
        self._backend = backend
        self._call = call
        self._refused = refused
        self._limits = limits

    async def all(self, questions: Sequence[Q], size: Callable[[Q], int]) -> list[A]:
        """One answer per question, in order, asked in calls within the limits."""
        answers: list[A] = []
        for batch in cut(questions, size, self._limits):
            answers += await self._ask(batch)
        return answers

    async def _ask(self, questions: Sequence[Q]) -> list[A]:
        """The answers; a refused call is halved until the questions to blame are found."""
        try:
            answers = list(await self._patiently(questions))
        except InvalidArgument as error:
            if not error.field.startswith(self._backend.field):
                raise Unavailable(
                    f"{self._backend} refuses how it is asked: {error}; "
                    f"set {self._backend.setting} right"
                ) from error
            if len(questions) == 1:
                return [self._refused]
            half = len(questions) // 2
            return await self._ask(questions[:half]) + await self._ask(questions[half:])
        if len(answers) != len(questions):
            raise Unavailable(
                f"{self._backend} gave {len(answers)} answers to {len(questions)} questions"
            )
        return answers

    async def _patiently(self, questions: Sequence[Q]) -> Sequence[A]:
        for attempt in range(_ATTEMPTS):
            try:
                with metrics.asking(self._backend.name):
                    async with asyncio.timeout(self._limits.seconds):
                        return await self._call(questions)
            except ResourceExhausted as error:
                await asyncio.sleep(error.retry_after * (attempt + 1))
            except (DeadlineExceeded, TimeoutError):
                raise Unavailable(
                    f"{self._backend} took longer than {self._limits.seconds:g} s for "
                    f"{len(questions)} questions; raise its timeout or lower its batch size"
                ) from None
            except (NotFound, FailedPrecondition, Unimplemented) as error:
                raise Unavailable(f"{self._backend} can't answer: {error}") from error
        raise Unavailable(f"{self._backend} stayed at its limit")


def cut(questions: Sequence[Q], size: Callable[[Q], int], limits: Limits) -> list[list[Q]]:
    """`questions` in order, in batches within the limits; one alone may exceed them."""
    batches: list[list[Q]] = []
    room = 0
    for question in questions:
        room -= size(question)
        if not batches or room < 0 or len(batches[-1]) >= limits.items:
            batches.append([])
            room = limits.characters - size(question)
        batches[-1].append(question)
    return batches


def _item_size(item: ScoreItem) -> int:
    return len(item.prefix) + len(item.continuation)


def _first(pair: tuple[int, Score]) -> int:
    return pair[0]
