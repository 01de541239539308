"""Between the filter's protobuf messages and its types."""

from __future__ import annotations

from stillhouse.filter.types import (
    Candidate,
    Cascade,
    Document,
    Evaluation,
    LayerConfig,
    LayerStats,
    Verdict,
)
from stillhouse.filter.v1 import filter_pb2


def document_to_proto(document: Document) -> filter_pb2.Document:
    """A source text."""
    return filter_pb2.Document(id=document.id, text=document.text)


def document_from_proto(message: filter_pb2.Document) -> Document:
    """A source text."""
    return Document(message.id, message.text)


def candidate_to_proto(candidate: Candidate) -> filter_pb2.Candidate:
    """A text to judge."""
    return filter_pb2.Candidate(
        id=candidate.id,
        source_id=candidate.source_id,
        sample_index=candidate.sample_index,
        text=candidate.text,
        tokens=candidate.tokens,
        logprob=candidate.logprob,
        finished=candidate.finished,
        clauses=candidate.clauses,
    )


def candidate_from_proto(message: filter_pb2.Candidate) -> Candidate:
    """A text to judge."""
    return Candidate(
        id=message.id,
        source_id=message.source_id,
        sample_index=message.sample_index,
        text=message.text,
        tokens=message.tokens,
        logprob=message.logprob,
        finished=message.finished,
        clauses=tuple(message.clauses),
    )


def cascade_to_proto(cascade: Cascade) -> filter_pb2.Cascade:
    """How to judge."""
    layers = [
        filter_pb2.LayerConfig(name=layer.name, thresholds=layer.thresholds, options=layer.options)
        for layer in cascade.layers
    ]
    return filter_pb2.Cascade(layers=layers, score_all=cascade.score_all)


def cascade_from_proto(message: filter_pb2.Cascade) -> Cascade:
    """How to judge."""
    layers = [
        LayerConfig(layer.name, dict(layer.thresholds), dict(layer.options))
        for layer in message.layers
    ]
    return Cascade(tuple(layers), message.score_all)


def verdict_to_proto(verdict: Verdict) -> filter_pb2.Verdict:
    """What a cascade says of one candidate."""
    return filter_pb2.Verdict(
        candidate_id=verdict.candidate_id,
        accepted=verdict.accepted,
        layer=verdict.layer,
        reason=verdict.reason,
        scores=verdict.scores,
    )


def verdict_from_proto(message: filter_pb2.Verdict) -> Verdict:
    """What a cascade says of one candidate."""
    return Verdict(
        candidate_id=message.candidate_id,
        accepted=message.accepted,
        layer=message.layer,
        reason=message.reason,
        scores=dict(message.scores),
    )


def stats_to_proto(stats: LayerStats) -> filter_pb2.LayerStats:
    """What a layer cost and let through."""
    return filter_pb2.LayerStats(
        name=stats.name,
        seen=stats.seen,
        passed=stats.passed,
        seconds=stats.seconds,
        scored=stats.scored,
        mean_seconds=stats.mean_seconds,
    )


def stats_from_proto(message: filter_pb2.LayerStats) -> LayerStats:
    """What a layer cost and let through."""
    return LayerStats(
        message.name,
        message.seen,
        message.passed,
        message.seconds,
        message.scored,
        message.mean_seconds,
    )


def evaluation_to_proto(evaluation: Evaluation) -> filter_pb2.EvaluateResponse:
    """The answer to a batch."""
    return filter_pb2.EvaluateResponse(
        verdicts=map(verdict_to_proto, evaluation.verdicts),
        layers=map(stats_to_proto, evaluation.layers),
    )


def evaluation_from_proto(message: filter_pb2.EvaluateResponse) -> Evaluation:
    """The answer to a batch."""
    return Evaluation(
        verdicts=tuple(map(verdict_from_proto, message.verdicts)),
        layers=tuple(map(stats_from_proto, message.layers)),
    )
