from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.trainer.schedule import Schedule


def play(
    accepted: list[int], window: int, target: int, order: random.Random
) -> tuple[set[int], int]:
    """Work a schedule off with workers that finish in a random order."""
    schedule = Schedule(batches=len(accepted), window=window, target=target)
    given_out: set[int] = set()
    working: list[int] = []
    finished: set[int] = set()
    complete = 0
    while not schedule.done:
        for batch in schedule.take():
            given_out.add(batch)
            working.append(batch)
        finished.add(working.pop(order.randrange(len(working))))
        while complete in finished:
            schedule.complete(complete, accepted[complete])
            complete += 1
    return given_out, complete


@given(
    st.lists(st.integers(0, 10), min_size=1, max_size=30),
    st.integers(1, 6),
    st.integers(1, 60),
    st.integers(),
    st.integers(),
)
def test_what_is_given_out_does_not_depend_on_who_is_fast(
    accepted: list[int], window: int, target: int, seed: int, other: int
) -> None:
    one = play(accepted, window, target, random.Random(seed))
    assert one == play(accepted, window, target, random.Random(other))
    assert one[0] == set(range(one[1]))


@given(st.lists(st.integers(0, 10), min_size=1, max_size=30), st.integers(1, 6), st.integers(1, 60))
def test_ends_with_the_target_met_or_everything_given(
    accepted: list[int], window: int, target: int
) -> None:
    _, complete = play(accepted, window, target, random.Random(0))
    assert sum(accepted[:complete]) >= target or complete == len(accepted)
    if complete > window:
        assert sum(accepted[: complete - window]) < target


@given(
    st.lists(st.integers(0, 10), min_size=1, max_size=30),
    st.integers(1, 6),
    st.integers(1, 60),
    st.integers(0, 30),
)
def test_after_a_restart_it_gives_out_what_it_would_have_given(
    accepted: list[int], window: int, target: int, death: int
) -> None:
    """The restarted one knows only what the buffer holds."""
    given_out, complete = play(accepted, window, target, random.Random(0))
    death = min(death, complete)
    schedule = Schedule(
        batches=len(accepted), window=window, target=target, accepted=accepted[:death]
    )
    for batch in range(death, complete):
        assert not schedule.done
        assert set(schedule.take()) <= given_out
        schedule.complete(batch, accepted[batch])
    assert schedule.done


def test_the_window_bounds_what_is_under_way() -> None:
    schedule = Schedule(batches=10, window=3, target=100)
    assert list(schedule.take()) == [0, 1, 2]
    assert list(schedule.take()) == []
    schedule.complete(0, 5)
    assert list(schedule.take()) == [3]


def test_reports_out_of_order_are_a_defect() -> None:
    schedule = Schedule(batches=3, window=2, target=1)
    list(schedule.take())
    with pytest.raises(ValueError, match="is next"):
        schedule.complete(1, 0)
