"""Positives, negatives and thresholds, through the whole cascade."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
import yaml

from services.experiments import calibrate
from services.experiments.calibrate_page import markdown
from services.filter.calibration import deletions, lead_clause, positives
from services.filter.cascade import evaluate
from services.filter.layers import build
from services.filter.layers.surface import Surface
from services.trainer.cascades import cascade_of
from stillhouse.corpus import SourceDocument
from stillhouse.errors import InvalidArgument
from stillhouse.filter.types import Candidate, Cascade, Document, Evaluation, LayerConfig
from stillhouse.recipe import Recipe
from tests.unit.filter.fakes import backends

CASCADE = Cascade(
    tuple(LayerConfig(name) for name in ("brevity", "surface", "faithfulness", "diversity"))
)
DOCUMENTS = [
    SourceDocument(
        str(n),
        f"The Reader{n} returns {n + 2} members, and is rarely slow (as was said). "
        f"It closes file number {n}. The end of part {n} is near.",
        "",
    )
    for n in range(20)
]


class InProcess:
    """The filter without its door."""

    async def evaluate(
        self, cascade: Cascade, documents: Sequence[Document], candidates: Sequence[Candidate]
    ) -> Evaluation:
        return await evaluate(cascade, documents, candidates, backends())


def test_positives_only_leave_things_out() -> None:
    lead = "The reader usually opens an archive (any), then closes it."
    assert deletions(lead) == "The reader opens an archive, then closes it."
    assert lead_clause(lead) == "The reader usually opens an archive (any)."
    assert lead_clause("Well, it is.") is None
    assert set(positives("It is so.")) == {"identity"}


def test_every_document_gives_both_sides() -> None:
    probes = calibrate.make_probes(DOCUMENTS, 1)
    assert probes == calibrate.make_probes(DOCUMENTS, 1)
    kinds = {(probe.true, probe.kind) for probe in probes}
    assert kinds == {
        (True, "identity"),
        (True, "deletion"),
        (True, "lead clause"),
        (False, "number"),
        (False, "name"),
        (False, "negation"),
        (False, "neighbour's sentence"),
        (False, "other's sentence"),
    }
    for probe in probes:
        assert probe.true or probe.text not in probe.document.text


async def test_scores_tell_apart_and_thresholds_hold_their_rate() -> None:
    probes = await calibrate.judged(InProcess(), CASCADE, calibrate.make_probes(DOCUMENTS, 1))
    table = calibrate.aucs(probes)
    assert table["surface.new_names"]["name"] < 0.05
    assert table["surface.negation"]["negation"] < 0.05
    assert not any(name.startswith("diversity") for name in table)
    chosen = calibrate.cuts(CASCADE, probes, 0.5)
    names = {(cut.layer, cut.threshold): cut for cut in chosen}
    assert not names["surface", "new_names"].lower
    assert all(cut.false_accepts <= 0.5 for cut in chosen)
    text = calibrate.snippet(CASCADE, chosen)
    assert len(Recipe.parse(text).filter.layers) == 4
    assert yaml.safe_load(text)["filter"]["layers"][3] == {"name": "diversity"}
    page = markdown(Recipe(), "ab" * 32, probes, chosen, text)
    for cut in chosen:
        side = "below" if cut.lower else "above"
        assert (f"| {cut.layer}.{cut.threshold} | {side} |" in page) == (cut.accepts > 0)


async def test_the_direction_of_a_threshold_comes_from_the_layers_rule() -> None:
    probes = await calibrate.judged(InProcess(), CASCADE, calibrate.make_probes(DOCUMENTS, 1))
    lower = {(cut.layer, cut.threshold): cut.lower for cut in calibrate.cuts(CASCADE, probes, 0.1)}
    assert lower["brevity", "ratio"] is False


@pytest.mark.parametrize(
    ("layer", "threshold", "bad", "good"),
    [
        ("grounding", "order", [0.8, 0.8, 0.8], [0.9, 1.0]),
        ("grounding", "order", [0.81234567, 0.5], [0.81236, 1.0]),
        ("surface", "new_names", [1.0, 2.0], [0.0, 0.5]),
        ("brevity", "ratio", [0.4, 0.71234567], [0.3, 0.39991]),
        ("saliency", "tau", [1.1, 1.3], [1.3, 1.7]),
    ],
)
def test_a_recipe_with_the_snippet_does_what_the_page_says(
    layer: str, threshold: str, bad: list[float], good: list[float]
) -> None:
    passes = {
        "grounding": {"order": 1.0, "skipped": 0.0, "words": 9.0, "sentences": 1.0},
        "surface": dict.fromkeys(Surface.scores, 0.0),
        "brevity": {"words": 9.0, "ratio": 0.3},
        "saliency": {"pmi": 1.0, "ratio": 0.1},
    }[layer]
    score = {"tau": "pmi"}.get(threshold, threshold)
    scale = passes.get("ratio", 1.0) if threshold == "tau" else 1.0
    probes = [
        calibrate.Probe(
            Document("d", ""), "any", true, "",
            {f"{layer}.{name}": v for name, v in (passes | {score: value * scale}).items()},
        )
        for true, values in ((False, bad), (True, good))
        for value in values
    ]  # fmt: skip
    cascade = Cascade((LayerConfig(layer),))
    (cut,) = (one for one in calibrate.cuts(cascade, probes, 0) if one.threshold == threshold)
    text = calibrate.snippet(cascade, [replace(cut, accepts=1.0)])
    (again,) = build(cascade_of(Recipe.parse(text)))
    verdicts = [
        again.rule({name: probe.scores[f"{layer}.{name}"] for name in again.scores}) is None
        for probe in probes
    ]
    assert sum(verdicts[: len(bad)]) == 0 == cut.false_accepts
    assert sum(verdicts[len(bad) :]) / len(good) == cut.accepts
    assert f"| {cut.value} |" in markdown(Recipe(), "ab" * 32, [], [replace(cut, accepts=1)], text)


@pytest.mark.parametrize("rate", [-0.1, 1.0, float("nan")])
def test_a_rate_is_a_share(rate: float) -> None:
    with pytest.raises(InvalidArgument, match="--false-accept"):
        calibrate.check_rate(rate)


def test_a_threshold_that_rejects_what_is_right_is_not_proposed() -> None:
    cut = calibrate.Cut("brevity", "ratio", 0.2, lower=False, false_accepts=0.05, accepts=0.5)
    poor, none = (
        replace(cut, layer="surface", threshold=name, accepts=share)
        for name, share in (("new_names", 0.49), ("echo", 0.0))
    )
    text = calibrate.snippet(CASCADE, [cut, poor, none])
    layers = {one["name"]: one for one in yaml.safe_load(text)["filter"]["layers"]}
    assert layers["brevity"]["thresholds"] == {"ratio": 0.2}
    assert "thresholds" not in layers["surface"]
    page = markdown(Recipe(), "ab" * 32, [], [cut, poor, none], text)
    assert "| surface.new_names | above |" in page
    assert "| surface.echo | above |" not in page
    assert "no positive would pass a threshold of surface.echo." in page
