from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stillhouse.control import NOTHING, Buckets, bucket, in_turn, measured, value
from stillhouse.errors import InvalidArgument
from stillhouse.recipe import Control, Recipe

EDGES = st.lists(st.integers(1, 40), max_size=6, unique=True).map(sorted)
DOCUMENT = "A heap is an array of keys that is kept in certain order by its owner."  # 16 words


@given(EDGES, st.integers(0, 45))
def test_a_bucket_is_what_counting_the_edges_gives(edges: list[int], at: int) -> None:
    assert bucket(at, edges) == sum(edge <= at for edge in edges)


@given(EDGES.filter(bool), st.data())
def test_both_sides_of_each_edge(edges: list[int], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(edges) - 1))
    assert bucket(edges[place], edges) == place + 1
    assert bucket(edges[place] - 1e-9, edges) == place


@pytest.mark.parametrize(
    ("target", "expected"),
    [("", 0), ("one two three", 0), ("one two three four", 1), ("a b c d e f g", 1), ("a " * 8, 2)],
)
def test_length_in_words_at_the_edges(target: str, expected: int) -> None:
    assert measured(DOCUMENT, target, Control(length=(4, 8))) == Buckets(length=expected)


@pytest.mark.parametrize(("words", "expected"), [(3, 0), (4, 1), (7, 1), (8, 2)])
def test_length_as_a_ratio_at_the_edges(words: int, expected: int) -> None:
    control = Control(length=(0.25, 0.5), unit="ratio")
    assert measured(DOCUMENT, "x " * words, control).length == expected


@pytest.mark.parametrize(
    ("target", "expected"),
    [("Something else entirely", 0), ("heap thing", 1), ("a heap of keys now", 2), (DOCUMENT, 2)],
)
def test_extractiveness_at_the_edges(target: str, expected: int) -> None:
    control = Control(extractiveness=(0.5, 0.8))
    assert measured(DOCUMENT, target, control) == Buckets(extractiveness=expected)


def test_coverage_is_the_share_of_copied_words() -> None:
    assert value("extractiveness", DOCUMENT, "heap thing", Control()) == 0.5


def test_the_code_repeats_the_number_and_says_of_what() -> None:
    assert Buckets(length=2).code(Control()) == "length 2 2 2 2 2 2 2 2 2 2"
    both = Buckets(0, 11).code(Control()).splitlines()
    assert both == ["length" + " 0" * 10, "extractiveness" + " 11" * 10]
    assert NOTHING.code(Control()) == ""


def test_codes_in_words_stand_in_the_place_of_numbers() -> None:
    control = Control(length=(8,), length_codes=("Be brief.", "Tell all."), extractiveness=(0.5,))
    assert Buckets(1, 0).code(control) == "Tell all.\nextractiveness" + " 0" * 10
    assert Buckets(length=0).behind("A text.", control) == "A text.\n\nBe brief."


def test_in_rotation_every_combination_comes_equally_often() -> None:
    control = Control(length=(4, 8), extractiveness=(0.5,))
    asked = Counter(in_turn(place, control) for place in range(12))
    assert len(asked) == 6
    assert set(asked.values()) == {2}


def test_one_bucket_or_nothing_may_be_asked() -> None:
    control = Control(length=(4, 8), extractiveness=(0.5,), ask_length=2)
    assert {in_turn(place, control).length for place in range(9)} == {2}
    assert {in_turn(place, control).extractiveness for place in range(9)} == {0, 1}
    silent = Control(length=(4, 8), ask_length="nothing")
    assert {in_turn(place, silent) for place in range(9)} == {NOTHING}
    assert in_turn(5, Control()) == NOTHING


@pytest.mark.parametrize(
    ("values", "field", "said"),
    [
        ("{length: [8, 4]}", "recipe.control.length", "ascending"),
        ("{length: [4, 4]}", "recipe.control.length", "each once"),
        ("{extractiveness: [0]}", "recipe.control.extractiveness", "above 0"),
        ("{length: [4, 8], ask_length: 3}", "recipe.control", "the last bucket is 2"),
        ("{ask_length: often}", "recipe.control.ask_length", "must be rotation"),
        ("{length: [4], length_codes: [a]}", "recipe.control", "the edges make 2 buckets"),
        ("{extractiveness_codes: [a, b]}", "recipe.control", "the edges make 0 buckets"),
        ("{length: [4], length_codes: [a, a]}", "recipe.control.length_codes", "another code"),
        ("{length: [4], length_codes: [a, ' ']}", "recipe.control.length_codes", "must be words"),
    ],
)
def test_a_recipe_of_no_such_buckets_is_refused(values: str, field: str, said: str) -> None:
    with pytest.raises(InvalidArgument, match=said) as caught:
        Recipe.parse(f"control: {values}")
    assert caught.value.field.startswith(field)


def test_a_document_with_what_is_asked_behind_it() -> None:
    asked = Buckets(length=1, extractiveness=0).behind("A text.", Control())
    assert asked == "A text.\n\nlength" + " 1" * 10 + "\nextractiveness" + " 0" * 10
    assert NOTHING.behind("A text.", Control()) == "A text."
