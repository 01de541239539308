from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.trainer.stopping import decide, exhausted
from stillhouse.recipe import Stop
from stillhouse.trainer.types import Diversity, GenerationProgress

FIGURES = st.floats(0, 1) | st.just(math.nan)
DIVERSITIES = st.none() | st.builds(Diversity, st.just(9), FIGURES, FIGURES, FIGURES, FIGURES)
BARS = st.none() | st.floats(-1, 1)
SHARES = st.none() | st.floats(0.01, 1)


@st.composite
def generations(draw: st.DrawFn) -> list[GenerationProgress]:
    rows = []
    for number in range(1, draw(st.integers(1, 4)) + 1):
        judged = draw(st.integers(0, 50))
        accepted = draw(st.integers(0, judged))
        rows.append(
            GenerationProgress(
                number, judged, accepted, 9, 99, diversity=draw(DIVERSITIES) if number > 1 else None
            )
        )
    return rows


def two(first: tuple[int, int], last: tuple[int, int]) -> list[GenerationProgress]:
    """Two generations of (accepted, judged)."""
    return [
        GenerationProgress(number, judged, accepted, 9, 99)
        for number, (accepted, judged) in enumerate((first, last), start=1)
    ]


def diverse(distinct_2: float, msttr: float) -> list[GenerationProgress]:
    """Beside a first generation with 0.5 and 0.8."""
    first, last = two((5, 10), (9, 10))
    return [first, replace(last, diversity=Diversity(40, distinct_2, msttr, 0.5, 0.8))]


@given(generations(), BARS, SHARES)
def test_agrees_with_the_rules_as_they_are_told(
    rows: list[GenerationProgress], gain: float | None, share: float | None
) -> None:
    found = decide(rows, Stop(pass_rate=gain, diversity=share))
    stale = collapsed = False
    if len(rows) > 1:
        rates = [one.accepted / one.judged if one.judged else 0 for one in rows]
        stale = gain is not None and not rates[-1] - rates[-2] > gain
        last = rows[-1].diversity
        if last and share is not None:
            ways = [(last.distinct_2, last.first_distinct_2), (last.msttr, last.first_msttr)]
            known = [one for one in ways if not math.isnan(one[0]) and not math.isnan(one[1])]
            collapsed = any(now < share * first for now, first in known)
    assert (found is not None) == (stale or collapsed)
    if found:
        assert found.trains == (not collapsed)


@given(generations(), st.floats(-1, 1), st.floats(0, 1), st.floats(0.01, 1), st.floats(0, 1))
def test_a_stricter_rule_never_lets_go_on_what_a_milder_one_stops(
    rows: list[GenerationProgress], gain: float, more: float, share: float, higher: float
) -> None:
    mild = Stop(pass_rate=gain, diversity=share)
    strict = Stop(pass_rate=min(1, gain + more), diversity=min(1, share + higher))
    if decide(rows, mild):
        assert decide(rows, strict)


@given(generations())
def test_without_a_rule_nothing_stops(rows: list[GenerationProgress]) -> None:
    assert decide(rows, Stop()) is None
    assert decide(rows[:1], Stop(pass_rate=1, diversity=1)) is None


def test_a_pass_rate_that_does_not_rise_makes_its_student_the_last() -> None:
    rules = Stop(pass_rate=0.0)
    assert decide(two((10, 100), (11, 100)), rules) is None
    found = decide(two((10, 100), (10, 100)), rules)
    assert found
    assert found.trains
    assert "no longer rises: 10.00 % in generation 2 after 10.00 %" in found.reason
    assert decide(two((10, 100), (9, 100)), Stop(pass_rate=-0.02)) is None


def test_the_numbers_of_a_collapse_are_told_and_its_samples_train_nobody() -> None:
    rules = Stop(diversity=0.9)
    assert decide(diverse(0.45, 0.73), rules) is None
    found = decide(diverse(0.44, 0.8), rules)
    assert found
    assert not found.trains
    assert (
        "distinct-2 of 0.440 is 88.0 % of the first generation's 0.500 (40 samples of each), "
        "90 % are asked for" in found.reason
    )
    other = decide(diverse(0.5, 0.4), rules)
    assert other
    assert "MSTTR of 0.400 is 50.0 %" in other.reason


def test_a_collapse_counts_before_a_pass_rate() -> None:
    first, last = diverse(0.1, 0.8)
    found = decide([first, replace(last, accepted=0)], Stop(pass_rate=0, diversity=0.9))
    assert found
    assert not found.trains


@pytest.mark.parametrize("documents", [1, 56])
def test_no_documents_left_is_told(documents: int) -> None:
    found = exhausted(documents, 3)
    assert found.reason == f"generation 3 finds no fresh documents: all {documents} are used"
    assert not found.trains
