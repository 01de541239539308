"""What a layer is: a few scores of a candidate, and a rule over them.

A layer asks its remote questions first (`questions`), turns text and answers into
scores (`measure`) and judges by the scores alone (`rule`). So a rule can be applied
again to stored scores, and neither counts, times nor fetches anything: the cascade
does that for all layers.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from stillhouse.errors import InvalidArgument
from stillhouse.filter.types import Candidate, Document
from stillhouse.generator.types import Score, ScoreItem

Scores = Mapping[str, float]

NO_SCORE = "no_score"


@dataclass(frozen=True)
class NoThresholds:
    """For a layer without thresholds."""


T = TypeVar("T")


def threshold(default: float, doc: str) -> float:
    """Declare a threshold of a layer: its default, and what it decides."""
    value: float = field(default=default, metadata={"doc": doc})
    return value


@dataclass(frozen=True, slots=True)
class Pair:
    """A candidate y with the document x it was written about."""

    document: Document
    candidate: Candidate

    @property
    def source(self) -> str:
        """The text x."""
        return self.document.text

    @property
    def summary(self) -> str:
        """The text y."""
        return self.candidate.text


@dataclass(frozen=True, slots=True)
class Inference:
    """A question to the NLI model: does the premise entail the hypothesis?"""

    premise: str
    hypothesis: str


@dataclass(frozen=True, slots=True)
class Entailment:
    """p(premise => hypothesis), NaN where the model gives none.

    `overlong` counts the tokens by which the two exceed what the model reads at once;
    nothing is cut off, so that such a question has no probability.
    """

    probability: float
    overlong: int = 0


@dataclass(frozen=True, slots=True)
class Questions:
    """What a layer has to ask about one pair before it can measure."""

    critic: tuple[ScoreItem, ...] = ()
    index: tuple[str, ...] = ()
    nli: tuple[Inference, ...] = ()
    masked: tuple[ScoreItem, ...] = ()


@dataclass(frozen=True, slots=True)
class CorpusMatch:
    """A text of n tokens in the corpus that an index holds; `index` is its name.

    lengths: (n,) uint32, longest match in the corpus starting at each token.
    logprob: mean infinity-gram log-probability of a token, in nats; 0 without tokens.
    """

    index: str
    lengths: NDArray[np.uint32]
    logprob: float


@dataclass(frozen=True, slots=True)
class Answers:
    """The answers to `Questions`, in their order.

    To the index, one match per corpus. A text that a backend refuses has a NaN logprob
    there, None here.
    """

    critic: tuple[Score, ...] = ()
    index: tuple[tuple[CorpusMatch, ...] | None, ...] = ()
    nli: tuple[Entailment, ...] = ()
    masked: tuple[Score, ...] = ()


@dataclass(frozen=True, slots=True)
class Case:
    """A pair as a layer gets it.

    `earlier` holds the scores of the layers before, by full name; `alive` is False
    for a candidate that one of them rejected.
    """

    pair: Pair
    answers: Answers = Answers()
    earlier: Scores = field(default_factory=dict)
    alive: bool = True


@dataclass(frozen=True, slots=True)
class Finding:
    """A layer's scores of one candidate, by full name, and its reason to reject it."""

    scores: Scores
    reason: str | None


class Layer(ABC, Generic[T]):
    """A layer of the cascade; `thresholds` are its only settings."""

    name: ClassVar[str]
    """By which recipes name the layer; prefix of its scores and reasons."""
    scores: tuple[str, ...]
    """What `measure` returns and `rule` reads, without the prefix."""
    choices: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    """Options that are no numbers, and what each may be; the first is the default."""
    measuring: ClassVar[tuple[str, ...]] = ()
    """Thresholds that `measure` uses too: stored scores hold for one value of them."""
    relative: ClassVar[bool] = False
    """Whether scores compare the candidates of a batch, so that they hold for one set of them."""
    Thresholds: ClassVar[type[Any]] = NoThresholds
    """A frozen dataclass of floats, each declared by `threshold`."""

    def __init__(self, thresholds: T, options: Mapping[str, str] | None = None) -> None:
        self.thresholds = thresholds
        self.options = {name: values[0] for name, values in self.choices.items()} | dict(
            options or {}
        )

    def questions(self, pair: Pair) -> Questions:  # noqa: ARG002  (none, unless overridden)
        """What must be asked about `pair`; answers come with the case."""
        return Questions()

    def questions_all(self, pairs: Sequence[Pair], alive: Sequence[bool]) -> list[Questions]:  # noqa: ARG002
        """What must be asked about each of a batch; `alive[i]` as in `Case`."""
        return [self.questions(pair) for pair in pairs]

    @property
    def needs(self) -> tuple[str, ...]:
        """The backends that not every filter has and this layer asks: names in `Backends`."""
        return ()

    @abstractmethod
    def measure_all(self, cases: Sequence[Case]) -> list[Scores]:
        """The scores of each case, in order, by the names in `scores`."""

    @abstractmethod
    def rule(self, scores: Scores) -> str | None:
        """The reason to reject a candidate with these scores, or None.

        Called only when every score is there and finite.
        """

    def refusal(self, scores: Scores) -> str | None:  # noqa: ARG002
        """The reason to reject a candidate without a score, if these scores tell it."""
        return None

    def judge(self, cases: Sequence[Case]) -> list[Finding]:
        """Scores and reason of each case, in order."""
        return [self._finding(scores) for scores in self.measure_all(cases)]

    def _finding(self, scores: Scores) -> Finding:
        known = scores
        if not all(map(math.isfinite, scores.values())):
            known = {name: value for name, value in scores.items() if math.isfinite(value)}
        complete = known.keys() >= set(self.scores)
        reason = self.rule(known) if complete else self.refusal(known) or NO_SCORE
        return Finding(
            {f"{self.name}.{name}": value for name, value in known.items()},
            reason and f"{self.name}.{reason}",
        )


class PairLayer(Layer[T]):
    """A layer that looks at each pair by itself."""

    @abstractmethod
    def measure(self, pair: Pair, answers: Answers) -> Scores:
        """The scores of `pair`; NaN where there is none."""

    def measure_all(self, cases: Sequence[Case]) -> list[Scores]:
        """Each pair by itself."""
        return [self.measure(case.pair, case.answers) for case in cases]


def parse_thresholds(kind: type[T], given: Mapping[str, float], where: str) -> T:
    """Thresholds of type `kind`, those not given at their defaults.

    InvalidArgument names `where` and the threshold that is unknown or not finite.
    """
    known = [each.name for each in fields(kind)]  # type: ignore[arg-type]
    for name, value in given.items():
        if name not in known:
            raise InvalidArgument(f"{where}.{name}", f"unknown threshold; {_known(known)}")
        if not math.isfinite(value):
            raise InvalidArgument(f"{where}.{name}", f"must be a finite number (got {value})")
    return kind(**given)


def parse_options(
    choices: Mapping[str, tuple[str, ...]], given: Mapping[str, str], where: str
) -> dict[str, str]:
    """`given`; InvalidArgument names `where` and the option or value that is unknown."""
    for name, value in given.items():
        if name not in choices:
            raise InvalidArgument(f"{where}.{name}", f"unknown option; {_known(choices)}")
        if value not in choices[name]:
            raise InvalidArgument(
                f"{where}.{name}", f"{value!r} is none of {', '.join(choices[name])}"
            )
    return dict(given)


def _known(names: Iterable[str]) -> str:
    listed = ", ".join(names)
    return f"known here: {listed}" if listed else "this layer has none"
