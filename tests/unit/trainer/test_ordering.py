"""Layers in the order of what they cost."""

from __future__ import annotations

from services.trainer.ordering import by_cost, probes
from stillhouse.corpus import SourceDocument
from stillhouse.filter.types import LayerStats
from stillhouse.recipe import Recipe


def test_the_cheapest_comes_first_and_diversity_last() -> None:
    recipe = Recipe.parse(
        "filter: {order: cost, layers: [{name: diversity}, {name: saliency}, "
        "{name: surface, thresholds: {echo: 1}}, {name: brevity}]}"
    )
    measured = [
        LayerStats("diversity", 8, 8, 0.0, 8),
        LayerStats("saliency", 8, 8, 8.0, 8),
        LayerStats("surface", 8, 8, 0.2, 8),
        LayerStats("brevity", 8, 8, 0.1, 2),
    ]
    ordered = by_cost(recipe, measured).filter
    assert [one.name for one in ordered.layers] == ["surface", "brevity", "saliency", "diversity"]
    assert ordered.layers[0].thresholds == {"echo": 1}
    assert ordered.order == "given"


def test_probes_are_first_sentences_of_their_documents() -> None:
    documents = [SourceDocument(str(n), f"First {n}. Second.", "") for n in range(20)]
    sources, candidates = probes(documents)
    assert len(sources) == len(candidates) == 8
    assert candidates[3].source_id == "3"
    assert candidates[3].text == "First 3."
