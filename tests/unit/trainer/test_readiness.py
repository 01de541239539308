from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from services.trainer.prompts import decoding_of
from services.trainer.readiness import check_workers, check_writer, with_index
from stillhouse.errors import FailedPrecondition, InvalidArgument
from stillhouse.generator.types import Infgram, ModelDescription, ModelPointer
from stillhouse.recipe import Recipe

TEACHER = ModelPointer("/models/teacher", "ab" * 32)
ABLE = ModelDescription(TEACHER, 100, "GPT2LMHeadModel", 1024)
SERVED = replace(ABLE, constraints_refused="no steps", load_refused="served elsewhere")


def recipe(**sections: Any) -> Recipe:
    return Recipe.model_validate({"generations": 1, **sections})


def test_one_that_can_do_all_is_asked_for_all() -> None:
    beam = {"beam": 20, "samples": 4}
    check_workers(
        recipe(generations=3, constraints={"keywords": 2}, generation=beam), TEACHER, ABLE
    )
    check_workers(recipe(generations=2), TEACHER, replace(ABLE, pointer=ModelPointer("")))
    check_writer(ABLE)


def test_one_that_is_fixed_does_a_plain_generation_of_its_own_model() -> None:
    check_workers(recipe(), TEACHER, SERVED)


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"constraints": {"keywords": 1}}, "recipe.constraints"),
        ({"constraints": {"exclude": ["never"]}}, "recipe.constraints"),
        ({"generation": {"beam": 20, "samples": 4}}, "recipe.generation.beam"),
        ({"control": {"length": [9], "guidance_scale": 2}}, "recipe.control.guidance_scale"),
        ({"generations": 2}, "recipe.generations"),
    ],
)
def test_what_can_not_be_done_is_named(asked: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        check_workers(recipe(**asked), TEACHER, SERVED)
    assert caught.value.field == field
    reason = "served elsewhere" if field == "recipe.generations" else "no steps"
    assert reason in str(caught.value)


def test_another_model_than_the_teacher_is_named_with_the_remedy() -> None:
    other = replace(SERVED, pointer=ModelPointer("openai:http://host#gpt2", "cd" * 32))
    with pytest.raises(InvalidArgument, match=r"http://host#gpt2.*STILLHOUSE_MODEL_DIGEST=abab"):
        check_workers(recipe(), TEACHER, other)


def test_the_writer_must_load_students() -> None:
    with pytest.raises(FailedPrecondition, match=r"STILLHOUSE_GENERATOR_TARGET.*served elsewhere"):
        check_writer(SERVED)


INDEXES = {"": "ab" * 32, "news": "ab" * 32, "latest": "ab" * 32}
MIXING = replace(ABLE, indexes=INDEXES)
BLIND = replace(ABLE, infgram_refused="no service")


def mixing(**infgram: Any) -> Recipe:
    return recipe(generation={"infgram": {"weight": 0.1, **infgram}})


def test_the_digest_of_the_index_goes_into_the_recipe_and_with_each_batch() -> None:
    for name in INDEXES:
        found = with_index(mixing(index=name, min_suffix=2), MIXING)
        check_workers(found, TEACHER, MIXING)
        wanted = Infgram(0.1, 0.0, 2, name, "ab" * 32)
        assert decoding_of(found, 1).infgram == wanted
    assert with_index(found, MIXING) == found
    assert decoding_of(recipe(), 1).infgram is None


def test_a_recipe_without_an_index_asks_for_none() -> None:
    off = recipe(generation={"infgram": {"index": "other"}})  # both weights are 0
    assert with_index(off, BLIND) == off
    check_workers(off, TEACHER, BLIND)


@pytest.mark.parametrize(
    ("asked", "workers", "field", "reason"),
    [
        ({}, BLIND, "recipe.generation.infgram", "no service"),
        ({"index": "old"}, MIXING, "recipe.generation.infgram.index", "latest, news"),
        ({"digest": "cd" * 32}, MIXING, "recipe.generation.infgram.digest", "abababababab"),
    ],
)
def test_an_index_that_can_not_be_mixed_in_is_named(
    asked: dict[str, Any], workers: ModelDescription, field: str, reason: str
) -> None:
    for check in (
        lambda: check_workers(mixing(**asked), TEACHER, workers),
        lambda: with_index(mixing(**asked), workers),
    ):
        with pytest.raises(InvalidArgument) as caught:
            check()
        assert caught.value.field == field
        assert reason in caught.value.reason
