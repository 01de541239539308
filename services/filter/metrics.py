"""What the filter counts of the candidates that come by the queue."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import Counter, Histogram

from stillhouse.filter.types import Evaluation

CANDIDATES = Counter(
    "stillhouse_filter_candidates_total", "Candidates judged: accepted or rejected.", ["outcome"]
)
SEEN = Counter("stillhouse_filter_layer_seen_total", "Candidates that came to a layer.", ["layer"])
PASSED = Counter(
    "stillhouse_filter_layer_passed_total", "Candidates that a layer let through.", ["layer"]
)
SECONDS = Counter(
    "stillhouse_filter_layer_seconds_total", "Seconds that a layer took, its backends' included.",
    ["layer"],
)  # fmt: skip
BACKEND_SECONDS = Histogram(
    "stillhouse_filter_backend_seconds", "Seconds that a call to a backend took.", ["backend"],
    buckets=(0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120),
)  # fmt: skip
BACKEND_FAILURES = Counter(
    "stillhouse_filter_backend_failures_total", "Calls to a backend that gave no answer.",
    ["backend", "error"],
)  # fmt: skip
for _outcome in ("accepted", "rejected"):
    CANDIDATES.labels(_outcome)


@contextmanager
def asking(backend: str) -> Iterator[None]:
    """Measure a call to a backend."""
    begun = time.perf_counter()
    try:
        yield
    except Exception as error:
        BACKEND_FAILURES.labels(backend, type(error).__name__).inc()
        raise
    BACKEND_SECONDS.labels(backend).observe(time.perf_counter() - begun)


def judged(evaluation: Evaluation) -> None:
    """Count a batch."""
    accepted = sum(verdict.accepted for verdict in evaluation.verdicts)
    CANDIDATES.labels("accepted").inc(accepted)
    CANDIDATES.labels("rejected").inc(len(evaluation.verdicts) - accepted)
    for layer in evaluation.layers:
        SEEN.labels(layer.name).inc(layer.seen)
        PASSED.labels(layer.name).inc(layer.passed)
        SECONDS.labels(layer.name).inc(layer.seconds)
