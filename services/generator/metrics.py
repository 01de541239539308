"""What the generator counts."""

from __future__ import annotations

from collections.abc import Sequence

from prometheus_client import Counter, Gauge

from stillhouse.generator.types import ModelPointer, Sample, Score

CANDIDATES = Counter("stillhouse_generator_candidates_total", "Texts that were sampled.")
TOKENS = Counter("stillhouse_generator_tokens_total", "Tokens that were sampled.")
SECONDS = Counter("stillhouse_generator_seconds_total", "Seconds of sampling.")
SCORED = Counter("stillhouse_generator_scored_total", "Texts that were scored.")
SCORED_TOKENS = Counter("stillhouse_generator_scored_tokens_total", "Tokens that were scored.")
SCORING_SECONDS = Counter("stillhouse_generator_scoring_seconds_total", "Seconds of scoring.")
MODEL = Gauge(
    "stillhouse_generator_model_info",
    "1 for the model that is loaded, 0 for what was.",
    ["digest", "generation"],
)

_present: list[tuple[str, str]] = []  # the labels of the model that is loaded


def generated(groups: Sequence[Sequence[Sample]], seconds: float) -> None:
    """Count the samples of some prompts."""
    CANDIDATES.inc(sum(map(len, groups)))
    TOKENS.inc(sum(sample.tokens for group in groups for sample in group))
    SECONDS.inc(seconds)


def scored(scores: Sequence[Score], seconds: float) -> None:
    """Count some scores."""
    SCORED.inc(len(scores))
    SCORED_TOKENS.inc(sum(score.tokens for score in scores))
    SCORING_SECONDS.inc(seconds)


def loaded(pointer: ModelPointer) -> None:
    """Tell which model there is; the one before counts 0."""
    labels = (pointer.digest[:16], str(pointer.generation))
    if _present and _present[-1] != labels:
        MODEL.labels(*_present.pop()).set(0)
    if not _present:
        MODEL.labels(*labels).set(1)
        _present.append(labels)
