"""New verdicts from stored scores: what other thresholds would have let through.

Nothing is generated or scored. A layer's rule is applied again to its stored scores;
layers that compare the candidates of a batch measure again, since they see another set.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.filter.layers import build
from services.filter.layers.base import NO_SCORE, Case, Layer, Pair, Scores
from services.trainer.near_duplicates import NEAR_DUPLICATE, NearDuplicates
from stillhouse.errors import FailedPrecondition, InvalidArgument
from stillhouse.filter.types import Candidate, Cascade, Document, LayerConfig, Verdict


@dataclass(frozen=True, slots=True)
class Judged:
    """A candidate with its final verdict."""

    candidate: Candidate
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Stored:
    """A candidate as a run judged it: batch, text, final verdict with its scores."""

    batch: int
    candidate: Candidate
    verdict: Verdict


def changed(cascade: Cascade, settings: Mapping[str, float]) -> Cascade:
    """The cascade with thresholds replaced, each named `layer.threshold`.

    InvalidArgument for a layer that the cascade lacks, an unknown threshold, or one that
    stored scores depend on.
    """
    wanted: dict[str, dict[str, float]] = {}
    for name, value in settings.items():
        layer, _, threshold = name.partition(".")
        if layer not in {one.name for one in cascade.layers}:
            known = ", ".join(one.name for one in cascade.layers)
            raise InvalidArgument("set", f"{name}: no layer {layer!r} in this run; it has {known}")
        wanted.setdefault(layer, {})[threshold] = value
    layers = tuple(
        LayerConfig(one.name, {**one.thresholds, **wanted.get(one.name, {})}, one.options)
        for one in cascade.layers
    )
    result = Cascade(layers, cascade.score_all)
    for built in build(result):
        for threshold in wanted.get(built.name, {}):
            if threshold in built.measuring:
                raise InvalidArgument(
                    "set",
                    f"{built.name}.{threshold}: the stored scores were measured with it; "
                    "only a new run can change it",
                )
    return result


def rejudge(
    cascade: Cascade,
    documents: Mapping[str, str],
    stored: Sequence[Stored],
    near_duplicate: float,
) -> list[Judged]:
    """Every candidate, in order of the batches, with its verdict under `cascade`.

    documents: texts by source id. FailedPrecondition if a candidate that now gets further
    has no scores there: the run was made without `score_all`, or before a layer had them.
    """
    layers = build(cascade)
    for layer in layers:
        if layer.relative and layer.needs:
            raise FailedPrecondition(
                f"the layer {layer.name!r} compared candidates by a model, and those comparisons "
                "are not stored; only a new run can judge them again"
            )
    every = {name for one in stored for name in one.verdict.scores}
    asked = frozenset(every if cascade.score_all else ())
    seen = NearDuplicates(near_duplicate)
    judged: list[Judged] = []
    for batch in sorted({one.batch for one in stored}):
        part = [one for one in stored if one.batch == batch]
        candidates = [one.candidate for one in part]
        verdicts = seen.judge(candidates, _judge(layers, documents, part, asked))
        judged += map(Judged, candidates, verdicts)
    return judged


def _judge(
    layers: Sequence[Layer[Any]],
    documents: Mapping[str, str],
    stored: Sequence[Stored],
    asked: frozenset[str],
) -> list[Verdict]:
    """`asked`: the scores that were asked for every candidate; who lacks one could have none."""
    verdicts = [Verdict(one.candidate.id, True, scores=_own(one.verdict)) for one in stored]
    for position, layer in enumerate(layers):
        before = {one.name for one in layers[:position]}
        alive = [place for place, one in enumerate(verdicts) if one.accepted]
        reasons: list[str | None]
        if layer.relative:
            cases = [
                Case(_pair(documents, stored[place]), earlier=_of(before, verdicts[place].scores))
                for place in alive
            ]
            reasons = [finding.reason for finding in layer.judge(cases)]
        else:
            reasons = [_again(layer, stored[place].verdict, asked) for place in alive]
        for place, reason in zip(alive, reasons, strict=True):
            if reason:
                one = verdicts[place]
                verdicts[place] = Verdict(one.candidate_id, False, layer.name, reason, one.scores)
    return verdicts


def _again(layer: Layer[Any], verdict: Verdict, asked: frozenset[str]) -> str | None:
    """The layer's reason by the stored scores."""
    if verdict.reason == f"{layer.name}.{NO_SCORE}":
        return verdict.reason
    names = [f"{layer.name}.{name}" for name in layer.scores]
    refused = layer.refusal(
        {
            name: verdict.scores[full]
            for name, full in zip(layer.scores, names, strict=True)
            if full in verdict.scores
        }
    )
    if refused:
        return f"{layer.name}.{refused}"
    if any(name not in verdict.scores for name in names):
        if asked.issuperset(names):
            return f"{layer.name}.{NO_SCORE}"
        raise FailedPrecondition(
            f"a candidate that now reaches the layer {layer.name!r} was rejected before it by "
            f"{verdict.layer!r} and not scored there; run with filter.score_all: true to choose "
            "thresholds afterwards"
        )
    reason = layer.rule({name: verdict.scores[f"{layer.name}.{name}"] for name in layer.scores})
    return reason and f"{layer.name}.{reason}"


def _of(layers: Container[str], scores: Scores) -> Scores:
    return {name: one for name, one in scores.items() if name.partition(".")[0] in layers}


def _own(verdict: Verdict) -> dict[str, float]:
    prefix = f"{NEAR_DUPLICATE}."
    return {name: one for name, one in verdict.scores.items() if not name.startswith(prefix)}


def _pair(documents: Mapping[str, str], stored: Stored) -> Pair:
    source = stored.candidate.source_id
    return Pair(Document(source, documents[source]), stored.candidate)
