"""Hand-made backends and cases of the filter's tests."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from services.filter.evidence import Backends
from services.filter.layers.base import Answers, Case, CorpusMatch, Entailment, Inference, Pair
from stillhouse.filter.types import Candidate, Document
from stillhouse.generator.types import Score, ScoreItem
from stillhouse.text.words import spans, vocabulary

SOURCE = (
    "The reader opens the archive and returns each member as a string of 12 bytes. "
    "Members that are encrypted raise a ValueError before any byte is read. "
    "The archive stays open until the caller closes it by hand, even after an error. "
    "Paths inside of the archive always use forward slashes on every platform."
)
GOOD = "Members of an archive come back as strings, and encrypted ones raise a ValueError."


def pair(summary: str, source: str = SOURCE, *, finished: bool = True) -> Pair:
    return Pair(Document("d", source), Candidate("c", "d", 0, summary, finished=finished))


def case(
    identity: str,
    summary: str,
    *,
    source_id: str = "d",
    pmi: float = 0.0,
    index: int = 0,
    alive: bool = True,
) -> Case:
    candidate = Candidate(identity, source_id, index, summary)
    earlier = {"faithfulness.pmi": pmi}
    return Case(Pair(Document(source_id, SOURCE), candidate), Answers(), earlier, alive)


def per_word(text: str, logprob: float | Callable[[str], float]) -> Score:
    """A score whose tokens are the words of " " + text."""
    found = spans(text)
    value = logprob if callable(logprob) else lambda _: logprob
    logprobs = tuple(value(word.key) for word in found)
    return Score(sum(logprobs), len(found), logprobs, tuple(word.end + 1 for word in found))


class FakeCritic:
    """Every word costs 3 nats without a document, and with it 1, or what `rare` says."""

    def __init__(self, rare: Mapping[str, float] | None = None) -> None:
        self.rare = rare or {}
        self.calls: list[list[ScoreItem]] = []

    async def score(self, items: Sequence[ScoreItem]) -> list[Score]:
        self.calls.append(list(items))
        return [self._score(item) for item in items]

    def _score(self, item: ScoreItem) -> Score:
        alone = item.prefix.startswith("\n")
        text = item.continuation.removeprefix(" ")
        return per_word(text, lambda word: -3.0 if alone else self.rare.get(word, -1.0))


class FakeIndex:
    """Every word is a token; `runs` says which texts stand in the corpus how long."""

    def __init__(self, runs: Mapping[str, int] | None = None) -> None:
        self.runs = runs or {}
        self.calls: list[list[str]] = []

    async def match(self, texts: Sequence[str]) -> list[tuple[CorpusMatch, ...] | None]:
        self.calls.append(list(texts))
        return [matches(len(spans(text)), self.runs.get(text, 1)) for text in texts]


def matches(tokens: int, run: int, index: str = "") -> tuple[CorpusMatch, ...]:
    """One corpus, in which a match of `run` tokens begins at each of them."""
    lengths = np.minimum(run, np.arange(tokens, 0, -1)).astype(np.uint32)
    return (CorpusMatch(index, lengths, -1.0),)


class FakeNli:
    """A text entails another whose words it all has; what is longer than `length` is unread."""

    def __init__(self, length: int = 10**9) -> None:
        self.length = length
        self.calls: list[list[Inference]] = []

    async def entail(self, questions: Sequence[Inference]) -> list[Entailment]:
        self.calls.append(list(questions))
        return [self._answer(one) for one in questions]

    def _answer(self, question: Inference) -> Entailment:
        over = len(question.premise) + len(question.hypothesis) - self.length
        if over > 0:
            return Entailment(math.nan, over)
        known = vocabulary(question.premise)
        return Entailment(float(vocabulary(question.hypothesis) <= known))


def backends(
    critic: FakeCritic | None = None, index: FakeIndex | None = None, nli: FakeNli | None = None
) -> Backends:
    return Backends(critic or FakeCritic(), index or FakeIndex(), nli or FakeNli())
