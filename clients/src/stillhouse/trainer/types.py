"""Runs, their progress, and the candidates they judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from stillhouse.filter.types import LayerStats


class RunState(StrEnum):
    """Whether a run goes on."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Stage(StrEnum):
    """What a run is doing."""

    PREPARING = "preparing"
    COLLECTING = "collecting"
    TRAINING = "training"
    EVALUATING = "evaluating"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Diversity:
    """Distinct-2 and MSTTR of a generation's samples, and of as many of the first's.

    Each is measured of `samples` of them; NaN where there are too few words.
    """

    samples: int
    distinct_2: float
    msttr: float
    first_distinct_2: float
    first_msttr: float


@dataclass(frozen=True, slots=True)
class GenerationProgress:
    """How far one generation's collection has come; counts of candidates.

    `diversity` is known from the second generation on, once it is collected. With `expert`
    the teacher itself is trained on the samples.
    """

    generation: int
    judged: int
    accepted: int
    target: int
    budget: int
    layers: tuple[LayerStats, ...] = ()
    seconds: float = 0.0
    diversity: Diversity | None = None
    expert: bool = False

    @property
    def pass_rate(self) -> float:
        """Share of the candidates that were accepted; 0 before the first."""
        return self.accepted / self.judged if self.judged else 0.0


@dataclass(frozen=True, slots=True)
class Run:
    """A run's state; `stage_done` of `stage_total` steps of the stage are done
    (0 where the total is unknown), `seconds` adds up all resumptions. Losses are in nats a
    token, 0 before the first; `tokens_per_second` and `eta_seconds` tell of a training.
    """

    id: str
    state: RunState
    stage: Stage
    generation: int
    generations: int
    message: str = ""
    folder: str = ""
    stop_reason: str = ""  # why it ended before its last generation
    progress: tuple[GenerationProgress, ...] = ()
    prompts_pending: int = 0
    candidates_pending: int = 0
    stage_done: int = 0
    stage_total: int = 0
    loss: float = 0.0
    seconds: float = 0.0
    held_out_loss: float = 0.0
    tokens_per_second: float = 0.0
    eta_seconds: float = 0.0

    @property
    def ended(self) -> bool:
        """True once the state will not change without a resumption."""
        return self.state is not RunState.RUNNING


@dataclass(frozen=True, slots=True)
class JudgedCandidate:
    """A candidate with its verdict; `accepted` means it is in the training buffer."""

    id: str
    generation: int
    source_id: str
    sample_index: int
    text: str
    accepted: bool
    layer: str = ""
    reason: str = ""
    scores: Mapping[str, float] = field(default_factory=dict)
