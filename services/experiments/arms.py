"""An experiment's file: a recipe, and arms that each change something in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from stillhouse.errors import InvalidArgument
from stillhouse.recipe import Recipe


@dataclass(frozen=True, slots=True)
class Arm:
    """One way to do it: a name, and the recipe with the arm's changes."""

    name: str
    recipe: Recipe


def read_arms(path: Path) -> list[Arm]:
    """The arms of a YAML file with the keys `base` (a recipe) and `arms` (name to changes).

    InvalidArgument names the key that is wrong.
    """
    if not path.is_file():
        raise InvalidArgument("experiment", f"no file {path}; give the path of an experiment")
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise InvalidArgument("experiment", f"{path} is not YAML: {reason}") from None
    if not isinstance(values, dict) or set(values) != {"base", "arms"}:
        raise InvalidArgument("experiment", "must have the keys base and arms, and no other")
    base, arms = values["base"] or {}, values["arms"]
    if not isinstance(base, dict):
        raise InvalidArgument("experiment.base", "must be a recipe")
    if not isinstance(arms, dict) or not arms:
        raise InvalidArgument("experiment.arms", "must map at least one name to its changes")
    return [_arm(str(name), base, changes or {}, path) for name, changes in arms.items()]


def _arm(name: str, base: Mapping[str, Any], changes: object, path: Path) -> Arm:
    if not isinstance(changes, dict):
        raise InvalidArgument(f"experiment.arms.{name}", "must map keys of the recipe to values")
    try:
        recipe = Recipe.parse(yaml.safe_dump(merged(base, changes)))
    except InvalidArgument as error:
        field = error.field.replace("recipe", f"experiment.arms.{name}", 1)
        raise InvalidArgument(field, error.reason) from None
    return Arm(name, recipe.anchored(path.resolve().parent))


def merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with `changes` in it, section by section; all else is replaced as a whole."""
    result = dict(base)
    for key, value in changes.items():
        old = result.get(key)
        both = isinstance(old, dict) and isinstance(value, dict)
        result[key] = merged(old, value) if both else value  # type: ignore[arg-type]
    return result
