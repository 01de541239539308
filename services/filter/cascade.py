"""The cascade: layer after layer, each seeing only what the ones before let through.

Cheap layers come first and the remote questions of a layer are asked for the survivors
of the whole batch together. With `score_all` the later layers score the rejected too;
the verdict and the counts are the same either way.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from services.filter.costs import Costs
from services.filter.evidence import Backends, check_answerable, gather
from services.filter.layers import build
from services.filter.layers.base import Case, Finding, Layer, Pair
from stillhouse.errors import InvalidArgument
from stillhouse.filter.types import Candidate, Cascade, Document, Evaluation, LayerStats, Verdict


@dataclass(slots=True)
class _State:
    """What is known of one candidate on its way."""

    pair: Pair
    scores: dict[str, float] = field(default_factory=dict)
    layer: str = ""
    reason: str = ""

    @property
    def alive(self) -> bool:
        return not self.layer

    def take(self, finding: Finding, layer: str) -> None:
        self.scores |= finding.scores
        if self.alive and finding.reason:
            self.layer, self.reason = layer, finding.reason

    def verdict(self) -> Verdict:
        identity = self.pair.candidate.id
        return Verdict(identity, self.alive, self.layer, self.reason, dict(self.scores))


async def evaluate(
    cascade: Cascade,
    documents: Sequence[Document],
    candidates: Sequence[Candidate],
    backends: Backends,
    costs: Costs | None = None,
) -> Evaluation:
    """One verdict per candidate, in order, and what each layer cost and let through.

    `costs` takes the measurements and gives the averages; without it they are this batch's.

    InvalidArgument: unknown layer or threshold, a layer whose backend is missing, candidate
    without its document, an id that is there twice. Whatever a backend raises passes
    through: no verdict then.
    """
    layers = build(cascade)
    check_answerable(layers, backends)
    costs = costs or Costs()
    states = [_State(pair) for pair in pair_up(documents, candidates)]
    stats = [await _step(layer, states, cascade.score_all, backends, costs) for layer in layers]
    return Evaluation(tuple(state.verdict() for state in states), tuple(stats))


def pair_up(documents: Sequence[Document], candidates: Sequence[Candidate]) -> list[Pair]:
    """Each candidate with its document, in order; InvalidArgument as `evaluate`."""
    sources: dict[str, Document] = {}
    for position, document in enumerate(documents):
        if document.id in sources:
            raise InvalidArgument(f"documents[{position}].id", f"{document.id!r} is there twice")
        sources[document.id] = document
    _refuse_repeated(candidates)
    return [_pair(candidate, sources, at) for at, candidate in enumerate(candidates)]


def _refuse_repeated(candidates: Sequence[Candidate]) -> None:
    seen: set[str] = set()
    for position, candidate in enumerate(candidates):
        if candidate.id in seen:
            raise InvalidArgument(f"candidates[{position}].id", f"{candidate.id!r} is there twice")
        seen.add(candidate.id)


def _pair(candidate: Candidate, sources: dict[str, Document], position: int) -> Pair:
    document = sources.get(candidate.source_id)
    if document is None:
        raise InvalidArgument(
            f"candidates[{position}].source_id",
            f"no document {candidate.source_id!r} in this batch; send it along",
        )
    return Pair(document, candidate)


async def _step(
    layer: Layer[Any],
    states: Sequence[_State],
    score_all: bool,
    backends: Backends,
    costs: Costs,
) -> LayerStats:
    started = time.perf_counter()
    seen = sum(state.alive for state in states)
    looked_at = [state for state in states if state.alive or score_all]
    pairs, alive = [state.pair for state in looked_at], [state.alive for state in looked_at]
    answers = await gather(layer, pairs, alive, backends)
    cases = [
        Case(state.pair, answer, dict(state.scores), state.alive)
        for state, answer in zip(looked_at, answers, strict=True)
    ]
    for state, finding in zip(looked_at, layer.judge(cases), strict=True):
        state.take(finding, layer.name)
    passed = sum(state.alive for state in states)
    seconds = time.perf_counter() - started
    scored = len(looked_at)
    mean = costs.add(layer.name, scored, seconds)
    return LayerStats(layer.name, seen, passed, seconds, scored, mean)
