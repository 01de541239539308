from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.filter.layers.base import Answers, Pair
from services.filter.layers.grounding import (
    Grounding,
    GroundingThresholds,
    Sentence,
    widest_gap,
)
from stillhouse.filter.types import Candidate, Document

DOCUMENT = (
    "The cache is cleared by the owner when the process stops or the memory limit is reached. "
    "Readers (threads of the same process) never wait for writers. "
    "A closed file can't be read again."
)
WORDS = st.lists(st.sampled_from("abc"), max_size=7)


def reason(summary: str, document: str = DOCUMENT, **thresholds: float) -> str | None:
    layer = Grounding(GroundingThresholds(**thresholds))
    candidate = Candidate("c", "d", 0, summary, 9, -9.0, True)
    return layer.rule(layer.measure(Pair(Document("d", document), candidate), Answers()))


@pytest.mark.parametrize(
    ("summary", "expected"),
    [
        ("The owner clears the cache when the process stops.", "rearranged"),
        ("The cache is cleared when the process stops or the limit is reached.", None),
        ("The cache was cleared by an owner when processes stop.", None),
        ("The cache is cleared when the process stops and never reached.", "rearranged"),
        ("Readers of the same process never wait for writers.", None),
        ("Readers of the same process wait for writers.", "rearranged"),  # a negation left out
        ("Readers of the process wait for the owner.", "rearranged"),
        ("Closed files cannot be read again by readers.", "rearranged"),
        ("The cache is cleared.", "says_little"),
        ("The cache is reached by the memory limit.", "rearranged"),
        ("The cache owner stops if the limit is reached.", "rearranged"),
        ("The cache, when the memory limit is reached.", "patched"),
        ("", "says_little"),
    ],
)
def test_a_sentence_made_shorter_passes_and_one_made_new_does_not(
    summary: str, expected: str | None
) -> None:
    assert reason(summary, words=4) == expected


def test_each_sentence_of_a_summary_needs_its_own() -> None:
    good = "Readers of the same process never wait for writers."
    assert reason(f"{good} The cache is cleared by the owner.", sentences=2) is None
    assert reason(f"{good} The owner is cleared by the cache.", sentences=2) == "rearranged"
    assert reason(f"{good} The cache is cleared by the owner.") == "joined"


def test_thresholds_are_limits() -> None:
    summary = "The cache is cleared by the owner when the process waits."
    order = 6 / 7
    assert reason(summary, order=order, skipped=99) is None
    assert reason(summary, order=order + 1e-9, skipped=99) == "rearranged"
    assert reason("cache owner process stops", words=4, skipped=1) is None
    assert reason("cache owner process stops", words=5) == "says_little"
    assert reason("cache process stops or limit", words=4, skipped=2) is None
    assert reason("cache process stops or limit", words=4, skipped=1) == "patched"


def test_a_word_that_turns_the_meaning_is_not_left_out() -> None:
    document = "The lock of the writer is always taken before the cache of its reader is opened."
    assert reason("The lock is always taken before the cache is opened.", document) is None
    assert (
        reason("The lock of the writer is taken before the cache is opened.", document) == "patched"
    )
    assert reason("The lock of the writer is always taken.", document, words=4) is None


def test_a_verb_keeps_its_voice() -> None:
    document = "Each reader of the list is preceded by the only writer of the process."
    assert reason("A reader of the list precedes the only writer.", document) == "rearranged"
    assert reason("Readers of lists are preceded by the only writer.", document) is None


def test_a_negation_is_a_key_word_in_each_of_its_forms() -> None:
    for text in ("It can't be read.", "It cannot be read", "It isn’t to be read", "It is not read"):
        assert Sentence.of(text).keys == ("not", "read")


def test_an_invention_behind_a_long_sentence_is_seen() -> None:
    long = " ".join(f"word{n}" for n in range(256))
    assert reason(f"{long}.", f"{long}.") is None
    assert reason(f"{long} dragons burn Paris.", f"{long}.") == "rearranged"
    assert reason(f"{long} and its tail.", f"{long} and its tail.") == "rearranged"
    assert reason(f"{long}.", f"{long} and its tail.") is None


def test_a_flood_of_sentences_is_not_compared() -> None:
    layer = Grounding(GroundingThresholds())
    flood = " ".join(f"It reads part {n}." for n in range(2_000))
    scores = layer.measure(Pair(Document("d", flood), Candidate("c", "d", 0, flood)), Answers())
    assert scores["order"] == 0
    assert scores["sentences"] == 2_000


@given(WORDS.filter(bool), WORDS)
def test_widest_gap_equals_trying_all(one: list[str], other: list[str]) -> None:
    found = [
        max((b - a - 1 for a, b in itertools.pairwise(places)), default=0)
        for places in itertools.combinations(range(len(other)), len(one))
        if [other[place] for place in places] == one
    ]
    assert widest_gap(one, other) == min(found, default=None)
