"""The cascades that a recipe asks for."""

from __future__ import annotations

from stillhouse.filter.types import Cascade, LayerConfig
from stillhouse.recipe import Recipe

FAITHFULNESS = "faithfulness"
CONSTRAINTS = "constraints"
_OF_THE_WRITING = frozenset({"fluency", CONSTRAINTS})


def cascade_of(recipe: Recipe) -> Cascade:
    """The recipe's cascade; where candidates are constrained, that is looked at first."""
    layers = tuple(
        LayerConfig(layer.name, layer.thresholds, layer.options) for layer in recipe.filter.layers
    )
    if recipe.constraints.active and all(layer.name != CONSTRAINTS for layer in layers):
        layers = (LayerConfig(CONSTRAINTS), *layers)
    return Cascade(layers, recipe.filter.score_all)


def of_the_text(cascade: Cascade) -> Cascade:
    """The layers that can judge a text which no model wrote: without those of its writing."""
    layers = tuple(one for one in cascade.layers if one.name not in _OF_THE_WRITING)
    nothing = LayerConfig(CONSTRAINTS)  # such a text was under none; a cascade can't be empty
    return Cascade(layers or (nothing,), cascade.score_all)


def faithfulness_first(cascade: Cascade) -> Cascade:
    """The same layers, the one that computes PMI first, so that every text gets its PMI.

    Which layer comes first changes no verdict where a source has one candidate, and the
    dearer layers are still spared for what is rejected.
    """
    layers = sorted(cascade.layers, key=lambda layer: layer.name != FAITHFULNESS)
    return Cascade(tuple(layers))
