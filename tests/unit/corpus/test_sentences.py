from __future__ import annotations

import time
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stillhouse.corpus import sentences as module
from stillhouse.corpus.sentences import sentences


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", []),
        (" \n ", []),
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ("No end here", ["No end here"]),
        ("First line\nsecond line. Next", ["First line second line.", "Next"]),
        ("Use a list, e.g. a heap. Then stop.", ["Use a list, e.g. a heap.", "Then stop."]),
        ("It sorts (i.e. orders) them. Done.", ["It sorts (i.e. orders) them.", "Done."]),
        ("Files, pipes, etc. are closed. So.", ["Files, pipes, etc. are closed.", "So."]),
        ("Files, pipes, etc. They close.", ["Files, pipes, etc.", "They close."]),
        ("By J. Smith et al. in 1999. Yes.", ["By J. Smith et al. in 1999.", "Yes."]),
        ("See Fig. 3 for pp. 4 to 5. Now.", ["See Fig. 3 for pp. 4 to 5.", "Now."]),
        ("Version 3.12 is new. os.path too.", ["Version 3.12 is new.", "os.path too."]),
        ('He said "stop." Then left.', ['He said "stop."', "Then left."]),
        ("Wait... more comes. End.", ["Wait... more comes.", "End."]),
        ("(A whole one.) Another.", ["(A whole one.)", "Another."]),
        ("Why? because! it is.", ["Why? because! it is."]),
    ],
)
def test_cuts(text: str, wanted: list[str]) -> None:
    assert sentences(text) == wanted


@given(st.text(alphabet="ab.!? AB\n\"'()1"))
def test_nothing_is_lost_and_nothing_is_empty(text: str) -> None:
    found = sentences(text)
    assert " ".join(found) == " ".join(text.split())
    assert all(one.strip() == one != "" for one in found)


PIECES = (
    'approx. Approx. xapprox. (e.g. u.s. J. I. etc. No. word "Then 3 it... so? St. a.b.c.d.e.g.'
)


@given(st.lists(st.sampled_from(PIECES.split(" "))).map(" ".join))
def test_a_bounded_look_back_finds_the_same(text: str) -> None:
    with patch.object(module, "_LOOK_BACK", 10**9):
        wanted = sentences(text)
    assert sentences(text) == wanted


def test_a_long_run_of_abbreviations_takes_linear_time() -> None:
    started = time.perf_counter()
    assert len(sentences("see approx. 3 of them " * 20_000)) == 1
    assert time.perf_counter() - started < 5
