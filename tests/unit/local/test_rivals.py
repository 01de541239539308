from __future__ import annotations

from pathlib import Path

import pytest

from stillhouse.errors import InvalidArgument
from stillhouse.generator.types import ModelPointer
from stillhouse.local.prepare import Workspace
from stillhouse.local.rivals import prepare_rivals
from stillhouse.local.stack import INDEPENDENT_CRITIC, INDEPENDENT_FILTER, Stack, StackConfig
from stillhouse.recipe import Recipe
from tests.support.tiny_model import make_tiny_model

TEACHER = ModelPointer("/teacher", "a" * 64)


def recipe_of(*models: tuple[str, str], critic: str = "") -> Recipe:
    recipe = Recipe()
    given = [{"name": name, "model": model} for name, model in models]
    values = recipe.model_dump() | {"evaluation": {"critic": critic, "models": given}}
    return Recipe.model_validate(values)


def test_models_are_told_apart_by_where_they_run(tmp_path: Path) -> None:
    folder = make_tiny_model(tmp_path / "here")
    recipe = recipe_of(
        ("here", folder.uri),
        ("vllm", "openai:http://there:8000#owner/name"),
        ("llama", "openai:http://there:8001"),
        ("tgi", "tgi:http://there:8080"),
        ("running", "generator:there:50052"),
        critic=folder.uri,
    )
    found = prepare_rivals(recipe, TEACHER, Workspace(tmp_path))
    assert found.folders == {"here": folder}
    assert found.critic == folder
    assert found.targets == {"running": "there:50052"}
    assert found.servers == {
        "vllm": {
            "STILLHOUSE_BACKEND": "openai",
            "STILLHOUSE_BACKEND_URL": "http://there:8000",
            "STILLHOUSE_BACKEND_MODEL": "owner/name",
        },
        "llama": {
            "STILLHOUSE_BACKEND": "openai",
            "STILLHOUSE_BACKEND_URL": "http://there:8001",
            "STILLHOUSE_BACKEND_MODEL": "",
        },
        "tgi": {
            "STILLHOUSE_BACKEND": "tgi",
            "STILLHOUSE_BACKEND_URL": "http://there:8080",
            "STILLHOUSE_BACKEND_MODEL": "",
        },
    }


def test_a_stack_has_their_services_only_where_there_are_some(tmp_path: Path) -> None:
    plain = StackConfig(TEACHER, tmp_path, tmp_path, tmp_path, tmp_path)
    assert not {INDEPENDENT_CRITIC, INDEPENDENT_FILTER} & set(Stack(plain, tmp_path).targets)
    other = ModelPointer("/other", "b" * 64)
    config = StackConfig(
        TEACHER, tmp_path, tmp_path, tmp_path, tmp_path, independent=other,
        servers={"big": {"STILLHOUSE_BACKEND": "openai"}},
    )  # fmt: skip
    stack = Stack(config, tmp_path)
    assert {INDEPENDENT_CRITIC, INDEPENDENT_FILTER, "server-big"} <= set(stack.targets)
    assert stack._own("server-big") == {
        "STILLHOUSE_ROLE": "critic", "STILLHOUSE_BACKEND": "openai",
    }  # fmt: skip
    critic = stack._own(INDEPENDENT_CRITIC)
    assert (critic["STILLHOUSE_ROLE"], critic["STILLHOUSE_MODEL_URI"]) == ("critic", "/other")
    assert stack._own("critic")["STILLHOUSE_MODEL_URI"] == "/teacher"
    asked = stack._own(INDEPENDENT_FILTER)
    assert asked["STILLHOUSE_CRITIC_TARGET"] == stack.targets[INDEPENDENT_CRITIC]
    assert asked["STILLHOUSE_QUEUE"] == "false"
    assert stack._own("filter")["STILLHOUSE_CRITIC_TARGET"] == stack.targets["critic"]


def test_a_model_that_is_not_there_is_named_by_its_key(tmp_path: Path) -> None:
    recipe = recipe_of(("far", "openai:http://x"), ("none", "/nothing"))
    with pytest.raises(InvalidArgument) as caught:
        prepare_rivals(recipe, TEACHER, Workspace(tmp_path))
    assert caught.value.field == "recipe.evaluation.models.1.model"
