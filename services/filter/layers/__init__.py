"""The layers, by name. A new layer is one file here and one line in `LAYERS`."""

from __future__ import annotations

from typing import Any

from services.filter.layers.abstractiveness import Abstractiveness
from services.filter.layers.base import Layer, parse_options, parse_thresholds
from services.filter.layers.brevity import Brevity
from services.filter.layers.constraints import Constraints
from services.filter.layers.dissimilarity import Dissimilarity
from services.filter.layers.diversity import Diversity
from services.filter.layers.entailment import EntailmentLayer
from services.filter.layers.faithfulness import Faithfulness
from services.filter.layers.fluency import Fluency
from services.filter.layers.grounding import Grounding
from services.filter.layers.length import Length
from services.filter.layers.novelty import Novelty
from services.filter.layers.numbers import Numbers
from services.filter.layers.saliency import Saliency
from services.filter.layers.surface import Surface
from stillhouse.errors import InvalidArgument
from stillhouse.filter.types import Cascade, LayerConfig

_KINDS: tuple[type[Layer[Any]], ...] = (
    Constraints,
    Fluency,
    Brevity,
    Length,
    Numbers,
    Surface,
    Abstractiveness,
    Dissimilarity,
    Novelty,
    Grounding,
    EntailmentLayer,
    Faithfulness,
    Saliency,
    Diversity,
)
LAYERS = {layer.name: layer for layer in _KINDS}


def build(cascade: Cascade) -> tuple[Layer[Any], ...]:
    """The layers of `cascade` in its order.

    InvalidArgument names the layer, threshold or option that is unknown, and the known ones.
    """
    if not cascade.layers:
        raise InvalidArgument("cascade.layers", f"empty; choose from: {', '.join(LAYERS)}")
    layers = tuple(_build(config, position) for position, config in enumerate(cascade.layers))
    _refuse_repeated([layer.name for layer in layers])
    return layers


def _build(config: LayerConfig, position: int) -> Layer[Any]:
    where = f"cascade.layers[{position}]"
    kind = LAYERS.get(config.name)
    if kind is None:
        known = ", ".join(LAYERS)
        raise InvalidArgument(f"{where}.name", f"no layer {config.name!r}; known: {known}")
    return kind(
        parse_thresholds(kind.Thresholds, config.thresholds, f"{where}.thresholds"),
        parse_options(kind.choices, config.options, f"{where}.options"),
    )


def _refuse_repeated(names: list[str]) -> None:
    for position, name in enumerate(names):
        if name in names[:position]:
            raise InvalidArgument(f"cascade.layers[{position}].name", f"{name!r} is there twice")
