from __future__ import annotations

from pathlib import Path

import pytest

from services.experiments.arms import merged, read_arms
from stillhouse.errors import InvalidArgument


def write(folder: Path, text: str) -> Path:
    path = folder / "arms.yaml"
    path.write_text(text)
    return path


def test_arms_change_the_base_section_by_section(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "base: {seed: 3, generation: {samples: 4, top_p: 0.9}}\n"
        "arms: {plain: , cool: {generation: {temperature: 0.5}}}\n",
    )
    plain, cool = read_arms(path)
    assert (plain.name, plain.recipe.seed, plain.recipe.generation.samples) == ("plain", 3, 4)
    assert (cool.recipe.generation.temperature, cool.recipe.generation.top_p) == (0.5, 0.9)


def test_merging_replaces_lists_and_values() -> None:
    base = {"a": {"b": 1, "c": [1]}, "d": 2}
    assert merged(base, {"a": {"c": [2]}, "d": {"e": 3}}) == {
        "a": {"b": 1, "c": [2]},
        "d": {"e": 3},
    }
    assert base == {"a": {"b": 1, "c": [1]}, "d": 2}


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("base: {}", "base and arms"),
        ("base: 3\narms: {a: }", "experiment.base"),
        ("base: {}\narms: {}", "experiment.arms"),
        ("base: {}\narms: {a: 3}", r"experiment\.arms\.a"),
        ("base: {}\narms: {a: {generation: {smaples: 3}}}", r"arms\.a\.generation\.smaples"),
        ("{", "not YAML"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, field: str) -> None:
    with pytest.raises(InvalidArgument, match=field):
        read_arms(write(tmp_path, text))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="no file"):
        read_arms(tmp_path / "none.yaml")


def test_the_shipped_ladder_is_valid() -> None:
    arms = read_arms(Path(__file__).parents[3] / "recipes" / "experiments" / "ladder.yaml")
    assert len(arms) >= 3
    assert not arms[0].recipe.constraints.active
