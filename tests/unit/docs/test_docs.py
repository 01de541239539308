"""Documentation that fails when it lies."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from stillhouse.recipe import Recipe

ROOT = Path(__file__).parents[3]


def load_script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_recipe_page_is_current() -> None:
    page = (ROOT / "docs" / "recipe.md").read_text(encoding="utf-8")
    assert page == load_script("recipe_docs").render(), "run: python scripts/recipe_docs.py"


def test_every_key_of_a_recipe_has_a_default_and_a_meaning() -> None:
    rows = re.findall(r"^\| `.*\|$", load_script("recipe_docs").render(), re.MULTILINE)
    assert [row for row in rows if "Undefined" in row or re.search(r"\|\s*\|$", row)] == []
    assert [row.split("`")[1] for row in rows if "| required |" in row] == ["url"]


RECIPES = sorted(
    path for path in (ROOT / "recipes").rglob("*.yaml") if path.name != "ladder.yaml"
)  # which holds arms


@pytest.mark.parametrize("path", RECIPES, ids=lambda p: p.name)
def test_recipes_that_ship_are_valid(path: Path) -> None:
    recipe = Recipe.read(path)
    assert Recipe.parse(recipe.to_yaml()) == recipe


def test_links_lead_somewhere() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)#]+)\)", text)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_paths_of_the_readme_exist() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    tree = text.split("## Where things are")[1]
    folders = re.findall(r"^    (\S+/)\s", tree, re.MULTILINE)
    assert folders
    assert [folder for folder in folders if not (ROOT / folder).is_dir()] == []


def test_commands_of_the_readme_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    targets = re.findall(r"`?make ([a-z-]+)", readme)
    assert {"demo", "test"} <= set(targets)
    assert [name for name in targets if f"\n{name}:" not in makefile] == []


def test_a_removed_or_renumbered_field_is_a_breaking_change() -> None:
    script = load_script("check_breaking")
    before = ["field a.M 1 x TYPE_STRING", "field a.M 2 y TYPE_STRING"]
    assert script.broken(before, [*before, "field a.M 3 z TYPE_BOOL"]) == []
    assert script.broken(before, [before[0], "field a.M 3 y TYPE_STRING"]) == [before[1]]
    assert script.broken(before, [before[0]]) == [before[1]]
