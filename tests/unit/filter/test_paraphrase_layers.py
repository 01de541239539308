"""The layers of paraphrases, at their boundaries."""

from __future__ import annotations

import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer

from services.filter.critic import source_items, summary_items
from services.filter.layers.base import Case, Layer
from services.filter.layers.dissimilarity import Dissimilarity, DissimilarityThresholds
from services.filter.layers.faithfulness import Faithfulness, FaithfulnessThresholds
from services.filter.layers.length import Length, LengthThresholds
from services.filter.layers.numbers import Numbers, NumbersThresholds
from services.filter.layers.saliency import Saliency, SaliencyThresholds
from services.filter.subsequence import common_subsequence, rouge_l
from tests.unit.filter.fakes import pair

SEQUENCES = st.lists(st.sampled_from("abcd"), max_size=40)


def reason(layer: Layer[Any], source: str, summary: str) -> str | None:
    return layer.judge([Case(pair(summary, source))])[0].reason


@pytest.mark.parametrize(
    ("characters", "expected"),
    [
        (0, "length.too_short"),
        (79, "length.too_short"),
        (80, None),
        (150, None),
        (151, "length.too_long"),
    ],
)
def test_length_in_characters(characters: int, expected: str | None) -> None:
    assert reason(Length(LengthThresholds()), "x" * 100, "y" * characters) == expected


@pytest.mark.parametrize(
    ("source", "summary", "expected"),
    [
        ("It has 3 doors.", "Three doors it has.", None),
        ("It has 3 doors.", "It has doors.", "numbers.dropped_number"),
        ("It has 3 doors.", "It has 3 doors and 4 walls.", "numbers.new_number"),
        ("It has 3 doors.", "It has 4 doors.", "numbers.new_number"),
        ("It has doors.", "Doors it has.", None),
    ],
)
def test_numbers_must_be_equal(source: str, summary: str, expected: str | None) -> None:
    assert reason(Numbers(NumbersThresholds()), source, summary) == expected


@pytest.mark.parametrize(("shared", "expected"), [(75, None), (76, "dissimilarity.too_similar")])
def test_rouge_l_at_its_threshold_passes(shared: int, expected: str | None) -> None:
    source = " ".join(f"w{n}" for n in range(100))
    summary = " ".join(f"w{n}" if n < shared else f"v{n}" for n in range(100))
    assert reason(Dissimilarity(DissimilarityThresholds()), source, summary) == expected


def test_a_copy_is_too_similar_and_nothing_is_like_an_empty_text() -> None:
    layer = Dissimilarity(DissimilarityThresholds())
    assert reason(layer, "The reader opens.", "The reader opens!") == "dissimilarity.too_similar"
    assert rouge_l([], ["a"]) == rouge_l(["a"], []) == rouge_l([], []) == 0


def naive(left: list[str], right: list[str]) -> int:
    """The table of Lin 2004, a cell at a time."""
    row = [0] * (len(left) + 1)
    for word in right:
        before, row = row, [0]
        for place, other in enumerate(left):
            row.append(before[place] + 1 if word == other else max(before[place + 1], row[place]))
    return row[-1]


@given(SEQUENCES, SEQUENCES)
def test_the_longest_common_subsequence_is_that_of_the_table(
    left: list[str], right: list[str]
) -> None:
    assert common_subsequence(left, right) == naive(left, right)
    assert common_subsequence(right, left) == naive(left, right)


@given(SEQUENCES, SEQUENCES)
def test_rouge_l_is_that_of_the_package(left: list[str], right: list[str]) -> None:
    told = RougeScorer(["rougeL"]).score(" ".join(left), " ".join(right))["rougeL"].fmeasure
    assert rouge_l(left, right) == pytest.approx(told)


@pytest.mark.parametrize("task", ["summarize", "paraphrase"])
def test_the_critic_is_asked_in_the_words_of_the_task(task: str) -> None:
    given_pair = pair("y", "x")
    options = {"task": task}
    asked = Faithfulness(FaithfulnessThresholds(), options).questions(given_pair).critic
    assert asked == summary_items("x", "y", task)
    assert ("In other words" in asked[0].prefix) == (task == "paraphrase")
    backward = Saliency(SaliencyThresholds(), options).questions(given_pair).critic
    assert backward == source_items("x", "y", task)
    assert backward[0].prefix.startswith("y")
    assert backward[0].continuation == " x"


def test_words_that_only_one_side_has_take_no_memory() -> None:
    tracemalloc.start()
    left = [str(n) for n in range(20_000)]
    begun = tracemalloc.get_traced_memory()[0]
    tracemalloc.reset_peak()
    assert common_subsequence(left, ["no", "7", "such", "9", "word"]) == 2
    peak = tracemalloc.get_traced_memory()[1] - begun
    tracemalloc.stop()
    assert peak < 1_000_000
