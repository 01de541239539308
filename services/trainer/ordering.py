"""The order of a cascade by what its layers cost: cheapest first.

It is found once, when a run begins, and written into the run's recipe: an order that
changed in the middle would change which layer a rejection counts for.
"""

from __future__ import annotations

from collections.abc import Sequence

from stillhouse.corpus import SourceDocument
from stillhouse.corpus.sentences import sentences
from stillhouse.filter.types import Candidate, Document, LayerStats
from stillhouse.recipe import Recipe

COMPARING = "diversity"
"""It chooses among the survivors of all other layers, so it stays behind them."""

_PROBES = 8


def probes(documents: Sequence[SourceDocument]) -> tuple[list[Document], list[Candidate]]:
    """Some documents and the first sentence of each, to measure the layers with."""
    chosen = documents[:_PROBES]
    return [Document(one.id, one.text) for one in chosen], [
        Candidate(f"probe-{place}", one.id, 0, sentences(one.text)[0])
        for place, one in enumerate(chosen)
    ]


def by_cost(recipe: Recipe, measured: Sequence[LayerStats]) -> Recipe:
    """The recipe with its layers in order of seconds per candidate, and that order fixed."""
    costs = {one.name: one.seconds / max(1, one.scored) for one in measured}
    layers = sorted(
        recipe.filter.layers, key=lambda layer: (layer.name == COMPARING, costs[layer.name])
    )
    fixed = recipe.filter.model_copy(update={"layers": tuple(layers), "order": "given"})
    return recipe.model_copy(update={"filter": fixed})
