"""Writes docs/recipe.md from the recipe's own types: `python scripts/recipe_docs.py`."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from stillhouse.recipe import Recipe

TARGET = Path(__file__).parent.parent / "docs" / "recipe.md"

_HEAD = """# The recipe

One YAML file determines a run. Every key may be left out; the recipe that is written beside the
results has all of them. A key that is not known is refused by name. This page is made from
`clients/src/stillhouse/recipe.py`. The thresholds of a filter layer are explained in its file in
`services/filter/layers/`.
"""


def render() -> str:
    """The page."""
    sections = [_section("", Recipe)]
    for name, field in Recipe.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            sections.append(_section(name, field.annotation))
            sections += [_section(f"{name}.{key}", one) for key, one in _optional(field.annotation)]
    return "\n".join([_HEAD, *sections])


def _optional(model: type[BaseModel]) -> list[tuple[str, type[BaseModel]]]:
    """The sections inside a section that may be left out whole."""
    return [
        (key, one)
        for key, field in model.model_fields.items()
        for one in get_args(field.annotation)
        if isinstance(one, type) and issubclass(one, BaseModel) and field.default is None
    ]


def _section(name: str, model: type[BaseModel]) -> str:
    title = f"## `{name}`\n\n{_first_line(model)}" if name else "## Top level"
    rows = ["", "| key | default | meaning |", "| --- | --- | --- |"]
    rows += [_row(key, field) for key, field in model.model_fields.items()]
    return "\n".join([title, *rows, ""])


def _row(key: str, field: FieldInfo) -> str:
    if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
        return f"| `{key}` | see below | {_first_line(field.annotation)} |"
    return (
        f"| `{key}` | {_default(field)} | {(field.description or '').replace('|', chr(92) + '|')} |"
    )


def _default(field: FieldInfo) -> str:
    value = field.default
    if isinstance(value, tuple):
        return ", ".join(f"`{getattr(one, 'name', one)}`" for one in value) or "none"
    return f"`{value!r}`".replace("\n", "\\n")


def _first_line(model: type[BaseModel]) -> str:
    return (model.__doc__ or "").splitlines()[0]


if __name__ == "__main__":
    TARGET.write_text(render(), encoding="utf-8")
