from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.filter.calibration import (
    NEGATIVES,
    auc,
    false_accept_threshold,
    hard_negatives,
)
from services.filter.facts import new_numbers
from tests.unit.filter.fakes import SOURCE

SUMMARY = "The reader returns 12 bytes and may raise a ValueError."
NEIGHBOUR = "A FooServer listens on port 8080 for requests."
SCORES = st.lists(st.floats(-5, 5), min_size=1, max_size=30)


def negative(kind: str, summary: str = SUMMARY) -> str:
    return hard_negatives(summary, SOURCE, NEIGHBOUR, Random(1))[kind]


def test_every_kind_changes_one_thing() -> None:
    made = hard_negatives(SUMMARY, SOURCE, NEIGHBOUR, Random(1))
    assert set(made) == set(NEGATIVES)
    for kind, text in made.items():
        changed = set(text.split()) ^ set(SUMMARY.split())
        assert 1 <= len(changed) <= 2, kind


def test_a_swapped_number_is_another_number() -> None:
    assert new_numbers(negative("number"), SUMMARY) == {"8080"}


def test_a_number_without_others_is_counted_up() -> None:
    assert NEGATIVES["number"]("It has 3.", "", "", Random(1)) == "It has 4."


def test_a_swapped_name_comes_from_the_neighbour() -> None:
    assert "FooServer" in negative("name")


def test_negation_follows_an_auxiliary() -> None:
    assert negative("negation") == SUMMARY.replace("may", "may not")


def test_what_cannot_be_made_is_left_out() -> None:
    assert hard_negatives("", SOURCE, NEIGHBOUR, Random(1)) == {}


def test_the_same_seed_gives_the_same_negatives() -> None:
    first, second = (hard_negatives(SUMMARY, SOURCE, NEIGHBOUR, Random(7)) for _ in range(2))
    assert first == second


@given(SCORES, st.floats(0, 1))
def test_the_threshold_keeps_the_rate_and_no_lower_one_does(
    negatives: list[float], rate: float
) -> None:
    tau = false_accept_threshold(negatives, rate)
    assert sum(score >= tau for score in negatives) <= rate * len(negatives)
    lower = max((score for score in negatives if score < tau), default=None)
    if lower is not None:
        assert sum(score >= lower for score in negatives) > int(rate * len(negatives))


@given(SCORES, SCORES)
def test_auc_equals_the_count_over_all_pairs(
    positives: list[float], negatives: list[float]
) -> None:
    wins = sum((p > n) + (p == n) / 2 for p in positives for n in negatives)
    assert auc(positives, negatives) == pytest.approx(wins / len(positives) / len(negatives))


def test_empty_sides_are_refused() -> None:
    with pytest.raises(ValueError, match="negative"):
        false_accept_threshold([], 0.1)
    with pytest.raises(ValueError, match="both"):
        auc([], [1.0])
