"""What the filter judges and what it says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Document:
    """A source text; `id` identifies it within its corpus."""

    id: str
    text: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """A text that a model wrote about a document.

    `tokens` counts what was generated, `logprob` sums the log-probabilities
    in nats under the model that wrote it, `finished` is False where the
    length limit cut the text. `clauses[i]` tells whether it satisfies constraint i of
    those it was written under.
    """

    id: str
    source_id: str
    sample_index: int
    text: str
    tokens: int = 0
    logprob: float = 0.0
    finished: bool = True
    clauses: tuple[bool, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a cascade says of one candidate.

    `layer` and `reason` name the first rejection and are empty if accepted;
    `scores` holds every score that was computed, by `layer.score` name.
    """

    candidate_id: str
    accepted: bool
    layer: str = ""
    reason: str = ""
    scores: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LayerConfig:
    """One layer of a cascade; thresholds and options that differ from its defaults."""

    name: str
    thresholds: Mapping[str, float] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Cascade:
    """The layers, in order; with `score_all` later layers score the rejected too."""

    layers: tuple[LayerConfig, ...]
    score_all: bool = False


@dataclass(frozen=True, slots=True)
class LayerStats:
    """How many candidates a layer saw and passed, and the seconds it took.

    `scored` counts those it measured, with `score_all` the rejected too; `mean_seconds` is
    the server's running average for one candidate.
    """

    name: str
    seen: int
    passed: int
    seconds: float = 0.0
    scored: int = 0
    mean_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One verdict per candidate, in their order, and the cost of each layer."""

    verdicts: tuple[Verdict, ...]
    layers: tuple[LayerStats, ...]
