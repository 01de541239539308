from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.trainer.students.pairs import Pair, split
from stillhouse.errors import FailedPrecondition

SOURCES = st.lists(st.sampled_from("abcdefgh"), min_size=2, max_size=30).filter(
    lambda names: len(set(names)) > 1
)


def made(names: list[str]) -> list[Pair]:
    return [Pair(f"p{place}", "t", name) for place, name in enumerate(names)]


@given(SOURCES, st.floats(0.01, 0.99), st.integers(0, 3))
def test_whole_sources_are_watched_and_both_sides_have_some(
    names: list[str], share: float, seed: int
) -> None:
    pairs = made(names)
    learned, watched = split(pairs, share, seed)
    assert learned
    assert watched
    assert {pair.source for pair in learned}.isdisjoint(pair.source for pair in watched)
    assert sorted([*learned, *watched], key=pairs.index) == pairs
    wanted = share * len(set(names))
    assert abs(len({pair.source for pair in watched}) - wanted) <= 1
    assert split(pairs, share, seed) == (learned, watched)


def test_without_a_share_nothing_is_watched() -> None:
    pairs = made(["a", "a"])
    assert split(pairs, 0.0, 1) == (pairs, [])


def test_one_source_cant_be_divided() -> None:
    with pytest.raises(FailedPrecondition, match=r"student\.validation"):
        split(made(["a", "a"]), 0.5, 1)
