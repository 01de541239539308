"""The queue door of the filter: batches of candidates in, batches of verdicts out.

The worker acknowledges a batch when `CandidateHandler` returns, which is after the
broker has stored the verdicts; a batch that is delivered again gives the same message
id and is stored once.
"""

from __future__ import annotations

import logging
import time
from typing import Protocol

from services.filter import metrics
from services.filter.cascade import evaluate
from services.filter.costs import Costs
from services.filter.evidence import Backends
from services.runtime import logs
from services.topology import message_id, verdicts_subject
from stillhouse.events.v1 import events_pb2
from stillhouse.filter import convert
from stillhouse.filter.types import Evaluation

log = logging.getLogger(__name__)


class Publisher(Protocol):
    """What is needed of `services.runtime.streams.Publisher`."""

    async def publish(self, subject: str, payload: bytes, message_id: str) -> None:
        """Return once the message is stored."""


class CandidateHandler:
    """Handles one message of CANDIDATES."""

    def __init__(
        self, backends: Backends, publisher: Publisher, costs: Costs | None = None
    ) -> None:
        self._backends = backends
        self._costs = costs or Costs()
        self._publisher = publisher

    async def __call__(self, payload: bytes) -> None:
        """Judge the batch and store its verdicts."""
        batch = events_pb2.CandidateBatch.FromString(payload)
        with logs.bound(run=batch.key.run_id, batch=message_id(batch.key)):
            await self._judge(batch)

    async def _judge(self, batch: events_pb2.CandidateBatch) -> None:
        started = time.perf_counter()
        evaluation = await self._evaluate(batch)
        seconds = time.perf_counter() - started
        judged = verdict_batch(batch, evaluation, seconds)
        await self._publisher.publish(
            verdicts_subject(batch.key.run_id), judged.SerializeToString(), message_id(batch.key)
        )
        metrics.judged(evaluation)
        _report(batch, evaluation, seconds)

    async def _evaluate(self, batch: events_pb2.CandidateBatch) -> Evaluation:
        return await evaluate(
            convert.cascade_from_proto(batch.cascade),
            [convert.document_from_proto(document) for document in batch.documents],
            [convert.candidate_from_proto(candidate) for candidate in batch.candidates],
            self._backends,
            self._costs,
        )


def verdict_batch(
    batch: events_pb2.CandidateBatch, evaluation: Evaluation, seconds: float
) -> events_pb2.VerdictBatch:
    """The message that says of `batch` what `evaluation` found in `seconds`."""
    return events_pb2.VerdictBatch(
        key=batch.key,
        model_digest=batch.model_digest,
        candidates=batch.candidates,
        verdicts=[convert.verdict_to_proto(verdict) for verdict in evaluation.verdicts],
        generate_seconds=batch.generate_seconds,
        filter_seconds=seconds,
        layers=map(convert.stats_to_proto, evaluation.layers),
    )


def _report(batch: events_pb2.CandidateBatch, evaluation: Evaluation, seconds: float) -> None:
    for verdict in evaluation.verdicts if log.isEnabledFor(logging.DEBUG) else ():
        found = {"candidate": verdict.candidate_id, "layer": verdict.layer}
        log.debug("candidate judged", extra=found | {"reason": verdict.reason})
    accepted = sum(verdict.accepted for verdict in evaluation.verdicts)
    log.info(
        "batch judged",
        extra={
            "candidates": len(batch.candidates),
            "accepted": accepted,
            "seconds": round(seconds, 3),
        },
    )
