from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from services.trainer.readiness import check_workers, check_writer
from stillhouse.errors import FailedPrecondition, InvalidArgument
from stillhouse.generator.types import ModelDescription, ModelPointer
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
