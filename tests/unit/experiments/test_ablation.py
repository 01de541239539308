from __future__ import annotations

import pytest

from services.experiments.ablation import BY_LOT, FULL, arms_of, choose, reached, without
from services.trainer.cascades import cascade_of
from stillhouse.errors import InvalidArgument
from stillhouse.filter.types import Candidate, Verdict
from stillhouse.recipe import Compression, Constraints, Filter, Layer, Recipe

RECIPE = Recipe(
    filter=Filter(layers=tuple(Layer(name=name) for name in ("brevity", "novelty", "diversity"))),
    constraints=Constraints(compression=Compression()),
)


def test_an_arm_for_the_whole_filter_for_chance_and_without_each_layer() -> None:
    arms = arms_of(RECIPE, (), (20,))
    assert [one.name for one in arms] == [
        FULL,
        BY_LOT,
        "without brevity",
        "without novelty",
        "without diversity",
        f"{FULL}, 20 layers",
    ]
    assert [one.name for one in arms_of(RECIPE, ("novelty",), ())][2:] == ["without novelty"]


@pytest.mark.parametrize("layer", ["grounding", "constraints"])
def test_a_layer_that_the_recipe_lacks_is_named(layer: str) -> None:
    with pytest.raises(InvalidArgument, match=f"{layer} is not in the recipe"):
        arms_of(RECIPE, (layer,), ())


def test_a_layer_is_left_out_of_the_cascade() -> None:
    names = [one.name for one in without(cascade_of(RECIPE), "novelty").layers]
    assert names == ["constraints", "brevity", "diversity"]


def test_who_reached_a_layer() -> None:
    told = {
        "a": "constraints",
        "b": "brevity",
        "c": "novelty",
        "d": "diversity",
        "e": "near_duplicate",
        "f": "",
    }
    candidates = [Candidate(id, "d", 0, id) for id in told]
    verdicts = [Verdict(id, not layer, layer, layer and "x") for id, layer in told.items()]
    order = [one.name for one in cascade_of(RECIPE).layers]

    def found(layer: str) -> str:
        return "".join(one.id for one in reached(layer, order, candidates, verdicts))

    assert found("brevity") == "bcdef"
    assert found("novelty") == "cdef"
    assert found("diversity") == "def"


def test_choosing_is_by_seed_and_keeps_the_order() -> None:
    candidates = [Candidate(f"{n:02}", "d", n, "") for n in range(20)]
    one, other = choose(candidates, 5, 1), choose(candidates, 5, 2)
    assert len(one) == 5
    assert one == sorted(one, key=lambda c: c.id)
    assert one == choose(candidates, 5, 1) != other
    assert choose(candidates, 20, 1) == choose(candidates, 30, 1) == candidates
