"""The layers that need no model, at their boundaries."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given as drawn
from hypothesis import strategies as st

from services.filter.layers.base import Answers, Case, NoThresholds, Pair, Scores
from services.filter.layers.brevity import Brevity, BrevityThresholds
from services.filter.layers.constraints import Constraints
from services.filter.layers.novelty import (
    Novelty,
    NoveltyThresholds,
    copied_share,
    corpus_scores,
    matched_tokens,
)
from services.filter.layers.surface import (
    Surface,
    SurfaceThresholds,
    breaks_parity,
    foreign_letters,
    is_echo,
    repetition,
)
from stillhouse.filter.types import Candidate, Document
from tests.unit.filter.fakes import GOOD, SOURCE, matches, pair

BREVITY = Brevity(BrevityThresholds(ratio=0.5, min_words=4, max_words=30))
SURFACE = Surface(SurfaceThresholds())
NOVELTY = Novelty(NoveltyThresholds(max_run=8, max_share=0.5, run_words=3, verbatim=0.5))


def reason(layer: Brevity | Surface | Novelty, given: Pair, *found: int) -> str | None:
    answers = Answers(index=tuple(matches(20, run) for run in found))
    return layer.judge([Case(given, answers)])[0].reason


def sentence(words: int) -> str:
    return " ".join(["word"] * words)


@pytest.mark.parametrize(
    ("summary", "source", "expected"),
    [
        (sentence(3), sentence(100), "brevity.too_short"),
        (sentence(4), sentence(100), None),
        (sentence(30), sentence(100), None),
        (sentence(31), sentence(100), "brevity.too_long"),
        (sentence(9), sentence(20), None),
        (sentence(10), sentence(20), "brevity.too_long"),
        ("", sentence(20), "brevity.too_short"),
        (sentence(5), "", "brevity.too_long"),
    ],
)
def test_brevity(summary: str, source: str, expected: str | None) -> None:
    assert reason(BREVITY, pair(summary, source)) == expected


def test_the_document_itself_fails_brevity_at_every_ratio_up_to_one() -> None:
    layer = Brevity(BrevityThresholds(ratio=1, min_words=0, max_words=1e9))
    assert reason(layer, pair(SOURCE)) == "brevity.too_long"


@pytest.mark.parametrize(
    ("summary", "expected"),
    [
        (GOOD, None),
        (GOOD.removesuffix("."), "surface.unfinished"),
        ("It reads 13 bytes of the archive.", "surface.new_number"),
        ("It reads the archive in Python.", "surface.new_name"),
        ("The archive does not stay open.", "surface.new_negation"),
        ("The text is about an archive.", "surface.echo"),
        ("Here's a summary of the archive.", "surface.echo"),
        ("Members of an archive are read, in one short sentence.", "surface.echo"),
        ("It reads the archive and it reads the archive.", "surface.repetition"),
        ("archive archive archive members.", "surface.repetition"),
        ("It is what it is.", "surface.echo"),
        ("It reads each member of the архив.", "surface.new_script"),
        ("Pigeons travel through distant archive weather.", "surface.new_words"),
    ],
)
def test_surface(summary: str, expected: str | None) -> None:
    assert reason(SURFACE, pair(summary)) == expected


def test_a_text_that_the_limit_cut_is_unfinished() -> None:
    assert reason(SURFACE, pair(GOOD, finished=False)) == "surface.unfinished"


@pytest.mark.parametrize(
    "name",
    ["new_numbers", "new_names", "new_words", "echo", "negation", "unfinished", "new_script"],
)
def test_each_flaw_of_the_surface_is_borne_up_to_its_threshold(name: str) -> None:
    clean: Scores = dict.fromkeys(Surface.scores, 0.0)
    borne = Surface(SurfaceThresholds(**{name: 1.0}))
    assert borne.rule({**clean, name: 1.0}) is None
    assert SURFACE.rule({**clean, name: 1.0}) is not None


def test_repetition_is_the_share_of_repeated_trigrams() -> None:
    assert repetition(["a", "b", "c", "a", "b", "c"]) == 1 / 4
    assert repetition(["a", "b", "c", "d", "e", "f"]) == 0
    assert repetition([]) == 0


def test_echo_is_borne_where_the_document_speaks_so() -> None:
    said = "The text is read at once."
    assert is_echo(said, "Reads a file.")
    assert not is_echo(said, "Reads the text of a file.")


@pytest.mark.parametrize(
    ("run", "expected"), [(7, None), (8, "novelty.copied_run"), (20, "novelty.copied_run")]
)
def test_novelty_in_tokens(run: int, expected: str | None) -> None:
    assert reason(NOVELTY, pair(GOOD), run) == expected


def test_novelty_as_share_of_the_tokens() -> None:
    layer = Novelty(NoveltyThresholds(max_run=1000, max_share=0.5))
    assert reason(layer, pair(GOOD), 9) is None
    assert reason(layer, pair(GOOD), 10) == "novelty.copied_run"


def test_novelty_verbatim() -> None:
    source = "a b c d e f g h"
    assert reason(NOVELTY, pair("a b c x y z w", source), 1) is None
    assert reason(NOVELTY, pair("a b c x y z", source), 1) == "novelty.verbatim"


def test_copied_share_counts_words_once() -> None:
    assert copied_share(["a", "b", "c", "d", "x"], ["a", "b", "c", "d"], 3) == 4 / 5
    assert copied_share(["a", "b", "x"], ["a", "b", "c"], 3) == 0
    assert copied_share([], ["a", "b", "c"], 3) == 0


def test_a_text_that_the_index_refuses_has_no_score() -> None:
    found = NOVELTY.judge([Case(pair(GOOD), Answers(index=(None,)))])[0]
    assert found.reason == "novelty.no_score"
    assert set(found.scores) == {"novelty.verbatim"}


def test_the_empty_summary_asks_nothing() -> None:
    assert NOVELTY.questions(pair("")).index == ()
    assert reason(NOVELTY, pair("")) is None


def test_constraints_reject_what_violates_one() -> None:
    layer = Constraints(NoThresholds())
    cases: list[tuple[tuple[bool, ...], str | None]] = [
        ((), None),
        ((True, True), None),
        ((True, False), "constraints.unmet"),
    ]
    for clauses, expected in cases:
        candidate = Candidate("c", "d", 0, "Any text.", clauses=clauses)
        case = Case(Pair(Document("d", "A document."), candidate))
        assert layer.judge([case])[0].reason == expected


@drawn(st.lists(st.integers(0, 9), max_size=20), st.integers(1, 9))
def test_matched_tokens_against_marking_each(lengths: list[int], size: int) -> None:
    lengths = [min(length, len(lengths) - at) for at, length in enumerate(lengths)]
    inside = {
        place
        for at, length in enumerate(lengths)
        if length >= size
        for place in range(at, at + length)
    }
    assert matched_tokens(np.array(lengths, dtype=np.uint32), size) == len(inside)


def test_of_several_corpora_the_strictest_decides_and_each_is_told() -> None:
    both = matches(20, 3, "web") + matches(20, 9, "books")
    found = NOVELTY.judge([Case(pair(GOOD), Answers(index=(both,)))])[0]
    assert found.reason == "novelty.copied_run"
    assert found.scores["novelty.run"] == 9
    assert (found.scores["novelty.run.web"], found.scores["novelty.run.books"]) == (3, 9)


@pytest.mark.parametrize(
    ("thresholds", "expected"),
    [
        ({"match_tokens": 5.0, "max_matched": 0.9}, "novelty.matched"),
        ({"match_tokens": 6.0, "max_matched": 0.9}, None),
        ({"match_tokens": 5.0, "max_matched": 1.0}, None),
        ({"max_logprob": -1.0}, None),
        ({"max_logprob": -1.01}, "novelty.likely"),
    ],
)
def test_novelty_by_share_and_likelihood(
    thresholds: dict[str, float], expected: str | None
) -> None:
    layer = Novelty(NoveltyThresholds(**thresholds))
    assert reason(layer, pair(GOOD), 5) == expected


def test_no_question_is_as_new_as_can_be_and_no_answer_is_no_score() -> None:
    assert corpus_scores((), 8)["logprob"] < -1e6
    assert all(np.isnan(value) for value in corpus_scores((None,), 8).values())


@pytest.mark.parametrize(
    ("summary", "source", "letters"),
    [
        ("Reads.", "Reads a file.", 0),
        ("Читает.", "Reads a file.", 6),
        ("Reads.", "Читает.", 5),
        ("ファイルを読む。", "漢字", 0),
        ("Ｒｅａｄｓ", "Reads", 0),
        ("12 %", "", 0),
    ],
)
def test_letters_of_another_script(summary: str, source: str, letters: int) -> None:
    assert foreign_letters(summary, source) == letters


@pytest.mark.parametrize(
    ("summary", "expected"),
    [
        ("The archive closes the member.", True),
        ("The archive never closes the member.", False),
        ("The archive does not never close the member.", True),
        ("The reader opens files.", False),
        ("Pigeons do not fly.", False),
    ],
)
def test_parity_is_that_of_the_nearest_sentence(summary: str, expected: bool) -> None:
    source = "The archive never closes a member. The reader opens files."
    assert breaks_parity(summary, source) == expected
    strict = Surface(SurfaceThresholds(parity=0, new_words=1, negation=1))
    assert (reason(strict, pair(summary, source)) == "surface.negation_parity") == expected
