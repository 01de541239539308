"""Building a cascade: what is unknown is refused by name."""

from __future__ import annotations

import math
from dataclasses import fields

import pytest

from services.filter.layers import LAYERS, build
from services.filter.layers.brevity import Brevity
from stillhouse.errors import InvalidArgument
from stillhouse.filter.types import Cascade, LayerConfig
from stillhouse.recipe import DEFAULT_LAYERS


def cascade(*layers: LayerConfig) -> Cascade:
    return Cascade(layers)


def test_every_layer_of_the_default_recipe_is_there() -> None:
    built = build(cascade(*(LayerConfig(name) for name in DEFAULT_LAYERS)))
    assert tuple(layer.name for layer in built) == DEFAULT_LAYERS


def test_thresholds_that_are_given_replace_defaults() -> None:
    (layer,) = build(cascade(LayerConfig("brevity", {"ratio": 0.25})))
    assert isinstance(layer, Brevity)
    assert layer.thresholds.ratio == 0.25
    assert layer.thresholds.min_words == Brevity.Thresholds().min_words


@pytest.mark.parametrize("name", LAYERS)
def test_every_threshold_is_documented_and_finite(name: str) -> None:
    for each in fields(LAYERS[name].Thresholds):
        assert each.metadata["doc"].endswith(".")
        assert isinstance(each.default, int | float)
        assert math.isfinite(each.default)


def refusal(*layers: LayerConfig) -> InvalidArgument:
    with pytest.raises(InvalidArgument) as caught:
        build(cascade(*layers))
    return caught.value


def test_an_unknown_layer() -> None:
    error = refusal(LayerConfig("brevity"), LayerConfig("bravery"))
    assert error.field == "cascade.layers[1].name"
    assert "bravery" in error.reason
    assert all(name in error.reason for name in LAYERS)


def test_an_unknown_threshold() -> None:
    error = refusal(LayerConfig("brevity", {"rato": 0.5}))
    assert error.field == "cascade.layers[0].thresholds.rato"
    assert "ratio, min_words, max_words" in error.reason


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_threshold_that_is_no_number(value: float) -> None:
    error = refusal(LayerConfig("saliency", {"tau": value}))
    assert error.field == "cascade.layers[0].thresholds.tau"


def test_no_layer_and_one_twice() -> None:
    assert refusal().field == "cascade.layers"
    twice = refusal(LayerConfig("brevity"), LayerConfig("brevity"))
    assert twice.field == "cascade.layers[1].name"
