"""Extractive fragments against the paper's own search, and the layer at its boundaries."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.filter.layers.abstractiveness import Abstractiveness, AbstractivenessThresholds
from services.filter.layers.base import Case
from stillhouse.text.fragments import fragments
from tests.unit.filter.fakes import pair

WORDS = st.lists(st.sampled_from(["aa", "bb", "cc", "dd"]), max_size=24)


def occurs(run: list[str], source: list[str]) -> bool:
    return any(source[at : at + len(run)] == run for at in range(len(source) - len(run) + 1))


def greedy(summary: list[str], source: list[str]) -> tuple[int, ...]:
    lengths, at = [], 0
    while at < len(summary):
        sizes = range(len(summary) - at, 0, -1)
        best = next((size for size in sizes if occurs(summary[at : at + size], source)), 0)
        lengths += [best] if best else []
        at += max(1, best)
    return tuple(lengths)


@given(WORDS, WORDS)
def test_fragments_against_the_quadratic_search(summary: list[str], source: list[str]) -> None:
    found = fragments(" ".join(summary), " ".join(source))
    assert found.lengths == greedy(summary, source)
    runs = [summary[i:j] for i in range(len(summary)) for j in range(i + 1, len(summary) + 1)]
    assert found.longest == max((len(run) for run in runs if occurs(run, source)), default=0)
    assert found.words == len(summary)


def test_coverage_and_density_by_hand() -> None:
    found = fragments("the cat sat down there", "yesterday the cat sat on it; there it was")
    assert found.lengths == (3, 1)
    assert found.coverage == 4 / 5
    assert found.density == (9 + 1) / 5


def test_a_greedy_fragment_can_end_inside_a_longer_run() -> None:
    found = fragments("aa bb cc dd ee", "aa bb cc, then bb cc dd ee")
    assert (found.lengths, found.longest) == ((3, 2), 4)


@pytest.mark.parametrize(
    ("thresholds", "expected"),
    [
        ({}, None),
        ({"max_run": 3.0}, "abstractiveness.long_run"),
        ({"max_run": 4.0}, None),
        ({"coverage": 0.79}, "abstractiveness.covered"),
        ({"coverage": 0.8}, None),
        ({"density": 1.99}, "abstractiveness.dense"),
        ({"density": 2.0}, None),
    ],
)
def test_each_threshold_on_both_sides(thresholds: dict[str, float], expected: str | None) -> None:
    layer = Abstractiveness(AbstractivenessThresholds(**thresholds))
    given_pair = pair("the cat sat down there", "yesterday the cat sat on it; there it was")
    assert layer.judge([Case(given_pair)])[0].reason == expected


@pytest.mark.parametrize(("summary", "source"), [("", "aa bb"), ("aa bb", ""), ("", "")])
def test_empty_texts_have_no_fragments(summary: str, source: str) -> None:
    assert fragments(summary, source).coverage == 0
    assert fragments(summary, source).density == 0
