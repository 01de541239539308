"""Writes docs/recipe.md from the recipe's own types: `python scripts/recipe_docs.py`."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from stillhouse.recipe import Recipe

TARGET = Path(__file__).parent.parent / "docs" / "recipe.md"

_HEAD = """# The recipe

One YAML file determines a run. Every key may be left out, but those that are required where their
section is there; the recipe that is written beside the results has all of them. A key that is not
known is refused by name. This page is made from `clients/src/stillhouse/recipe.py`. The
thresholds of a filter layer are explained in its file in `services/filter/layers/`.
"""


def render() -> str:
    """The page."""
    return "\n".join([_HEAD, *_sections("", Recipe)])


def _sections(name: str, model: type[BaseModel]) -> list[str]:
    """A section, and behind it those within it."""
    sections = [_section(name, model)]
    for key, field in model.model_fields.items():
        for one in _inside(field):
            sections += _sections(f"{name}.{key}".lstrip("."), one)
    return sections


def _inside(field: FieldInfo) -> list[type[BaseModel]]:
    """The section that a key holds, also if it may be left out whole."""
    kinds = (field.annotation, *(get_args(field.annotation) if field.default is None else ()))
    return [one for one in kinds if isinstance(one, type) and issubclass(one, BaseModel)]


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
    if field.is_required():
        return "required"
    value = field.default
    if isinstance(value, tuple):
        return ", ".join(f"`{getattr(one, 'name', one)}`" for one in value) or "none"
    return f"`{value!r}`".replace("\n", "\\n")


def _first_line(model: type[BaseModel]) -> str:
    return (model.__doc__ or "").splitlines()[0]


if __name__ == "__main__":
    TARGET.write_text(render(), encoding="utf-8")
