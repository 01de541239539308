"""Thresholds without labels: what the layers' scores tell apart, and where to cut.

Positives are sentences of a document and shortenings of them, negatives the same sentence
with one fact made wrong, or a sentence of another document. Both come from the documents
alone (services/filter/calibration.py); no reference is read.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from random import Random
from typing import Any, Protocol

import yaml

from services.filter.calibration import auc, false_accept_threshold, hard_negatives, positives
from services.filter.layers import LAYERS, build
from services.filter.layers.base import Layer
from services.trainer.cascades import of_the_text
from stillhouse.corpus import SourceDocument
from stillhouse.corpus.sentences import sentences
from stillhouse.errors import InvalidArgument
from stillhouse.filter.types import Candidate, Cascade, Document, Evaluation, LayerConfig

_DOCUMENTS_AT_ONCE = 16
_KEPT = 0.5
_DIGITS = 4  # decimals of a threshold in a recipe
_FACT_KINDS = {"number", "name", "negation"}  # the others move words, which may stay true


class Judge(Protocol):
    """What is needed of `stillhouse.filter.client.AsyncFilterClient`."""

    async def evaluate(
        self, cascade: Cascade, documents: Sequence[Document], candidates: Sequence[Candidate]
    ) -> Evaluation:
        """One verdict per candidate."""


@dataclass(frozen=True, slots=True)
class Probe:
    """A text about a document, true or false by construction, and its scores once judged."""

    document: Document
    kind: str
    true: bool
    text: str
    scores: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Cut:
    """A threshold of a layer and what it does: shares of negatives and positives that pass.

    `value` has the digits that a recipe shows, so that a recipe with it does the same.
    """

    layer: str
    threshold: str
    value: float
    lower: bool
    false_accepts: float
    accepts: float

    @property
    def separates(self) -> bool:
        """Whether at least half of the positives pass: else it rejects what it shall keep."""
        return self.accepts >= _KEPT


def make_probes(documents: Sequence[SourceDocument], seed: int) -> list[Probe]:
    """Positives and negatives of the first sentence of each document."""
    rng = Random(seed)
    made = []
    for place, one in enumerate(documents):
        lead = sentences(one.text)[0]
        neighbour = documents[(place + 1) % len(documents)]
        other = documents[(place + len(documents) // 2) % len(documents)]
        wrong = hard_negatives(lead, one.text, neighbour.text, rng)
        false = {kind: text for kind, text in wrong.items() if kind in _FACT_KINDS}
        false["neighbour's sentence"] = sentences(neighbour.text)[-1]
        false["other's sentence"] = sentences(other.text)[0]
        document = Document(one.id, one.text)
        for true, texts in ((True, positives(lead)), (False, false)):
            made += [Probe(document, kind, true, text, {}) for kind, text in texts.items()]
    return made


async def judged(judge: Judge, cascade: Cascade, probes: Sequence[Probe]) -> list[Probe]:
    """The probes with the scores of every layer that looks at one text by itself."""
    layers = tuple(one for one in of_the_text(cascade).layers if not LAYERS[one.name].relative)
    scoring = Cascade(layers, score_all=True)
    found: list[Probe] = []
    documents = list(dict.fromkeys(probe.document for probe in probes))
    for start in range(0, len(documents), _DOCUMENTS_AT_ONCE):
        some = documents[start : start + _DOCUMENTS_AT_ONCE]
        chosen = set(some)
        part = [probe for probe in probes if probe.document in chosen]
        candidates = [
            Candidate(f"probe-{place}", probe.document.id, place, probe.text)
            for place, probe in enumerate(part)
        ]
        answer = await judge.evaluate(scoring, some, candidates)
        found += [
            replace(probe, scores=verdict.scores)
            for probe, verdict in zip(part, answer.verdicts, strict=True)
        ]
    return found


def aucs(probes: Sequence[Probe]) -> dict[str, dict[str, float]]:
    """Per score and kind of negative the AUC against all positives; NaN without scores.

    Below 1/2: lower is better.
    """
    names = sorted({name for probe in probes for name in probe.scores})
    kinds = list(dict.fromkeys(probe.kind for probe in probes if not probe.true))
    table: dict[str, dict[str, float]] = {}
    for name in names:
        good = [p.scores[name] for p in probes if p.true and name in p.scores]
        table[name] = {}
        for kind in kinds:
            bad = [p.scores[name] for p in probes if p.kind == kind and name in p.scores]
            table[name][kind] = auc(good, bad) if good and bad else math.nan
    return table


def cuts(cascade: Cascade, probes: Sequence[Probe], rate: float) -> list[Cut]:
    """For each threshold with a score of its own, the value at which at most `rate` of the
    negatives pass it.
    """
    found = []
    for config in cascade.layers:
        layer = LAYERS[config.name]
        if layer.relative:
            continue
        for each in fields(layer.Thresholds):
            cut = _cut(config, each.name, probes, rate)
            if cut is not None:
                found.append(cut)
    return found


def snippet(cascade: Cascade, chosen: Sequence[Cut]) -> str:
    """The recipe's `filter` section with those of these thresholds that separate, as YAML."""
    layers = []
    for config in cascade.layers:
        own = {
            cut.threshold: cut.value for cut in chosen if cut.layer == config.name and cut.separates
        }
        thresholds = {**config.thresholds, **own}
        layer: dict[str, Any] = {"name": config.name}
        layer |= {"options": dict(config.options)} if config.options else {}
        layers.append(layer | ({"thresholds": thresholds} if thresholds else {}))
    return yaml.safe_dump({"filter": {"layers": layers}}, sort_keys=False)


def check_rate(rate: float) -> float:
    """`rate` if it is a share; InvalidArgument otherwise."""
    if not 0 <= rate < 1:
        raise InvalidArgument("--false-accept", f"must be from 0 to below 1 (got {rate})")
    return rate


def _cut(config: LayerConfig, name: str, probes: Sequence[Probe], rate: float) -> Cut | None:
    scored = [p for p in probes if _value(p, config.name, name) is not None]
    good, bad = [p for p in scored if p.true], [p for p in scored if not p.true]
    side = _side(config, name, scored)
    if (
        side is None
        or not good
        or not bad
        or len({_value(p, config.name, name) for p in scored}) < 2
    ):
        return None
    lower, others = side
    sign = 1.0 if lower else -1.0
    values = [v for p in bad if (v := _value(p, config.name, name)) is not None]
    value = _strict(sign * false_accept_threshold([sign * v for v in values], rate), lower)
    layer = _layer(config, name, value)

    def passing(some: Sequence[Probe]) -> float:
        scores = [others | _compared(p, config.name, name) for p in some]
        return sum(layer.rule(one) is None for one in scores) / len(some)

    return Cut(config.name, name, value, lower, passing(bad), passing(good))


def _strict(value: float, lower: bool) -> float:
    """`value` with the digits of a recipe, up for a lower bound and down for an upper one."""
    rounded = round(value, _DIGITS)
    if lower and rounded < value:
        rounded += 10**-_DIGITS
    if not lower and rounded > value:
        rounded -= 10**-_DIGITS
    return round(rounded, _DIGITS)


def _compared(probe: Probe, layer: str, threshold: str) -> dict[str, float]:
    """The scores that a threshold is compared with: that of its name, for saliency's tau two."""
    names = ("pmi", "ratio") if (layer, threshold) == ("saliency", "tau") else (threshold,)
    found = {name: probe.scores.get(f"{layer}.{name}") for name in names}
    return {name: score for name, score in found.items() if score is not None}


def _value(probe: Probe, layer: str, threshold: str) -> float | None:
    """What a threshold cuts: the score of its name, for saliency's tau pmi over ratio."""
    found = _compared(probe, layer, threshold)
    if (layer, threshold) == ("saliency", "tau"):
        return found["pmi"] / found["ratio"] if len(found) == 2 and found["ratio"] else None
    return found.get(threshold)


def _side(
    config: LayerConfig, name: str, probes: Sequence[Probe]
) -> tuple[bool, dict[str, float]] | None:
    """Whether the layer's own rule rejects below the threshold, and scores of which it alone
    decides; None if it never does.
    """
    for probe in probes:
        value = _value(probe, config.name, name)
        if value is None:
            continue
        above, below = (
            _layer(config, name, value + step) for step in (abs(value) + 1, -abs(value) - 1)
        )
        own = {s: probe.scores.get(f"{config.name}.{s}", math.nan) for s in above.scores}
        if any(map(math.isnan, own.values())):
            continue
        reasons = above.rule(own), below.rule(own)
        if (reasons[0] is None) != (reasons[1] is None):
            return reasons[1] is None, own
    return None


def _layer(config: LayerConfig, name: str, value: float) -> Layer[Any]:
    changed = LayerConfig(config.name, {**config.thresholds, name: value}, config.options)
    return build(Cascade((changed,)))[0]
