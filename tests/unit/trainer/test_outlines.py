from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.checkpoints.load import load
from services.checkpoints.vocabulary import Vocabulary
from services.filter.layers.base import Answers, Pair
from services.filter.layers.grounding import Grounding
from services.generator.constraints.outline import Compression as Written
from services.trainer.outlines import outline_of
from stillhouse.filter.types import Candidate, Document
from stillhouse.recipe import Compression
from tests.support.tiny_model import make_tiny_model


@pytest.fixture(scope="module")
def tiny_vocabulary(tmp_path_factory: pytest.TempPathFactory) -> Vocabulary:
    return load(make_tiny_model(tmp_path_factory.mktemp("model"))).vocabulary


DEFAULT = Compression()
TEXT = "cache writer opens the file of disk before or lock releases a reader not only waits x"
WORDS = TEXT.split()


def test_steps_weigh_their_key_words_and_turning_words_are_fixed() -> None:
    outline = outline_of("Read it. A reader of io.open(file) can't wait, unless forced.", DEFAULT)
    assert outline is not None
    (passage,) = outline.passages
    told = [
        (step.text, step.weight, step.fixed, step.loose, step.closes, step.binds)
        for step in passage
    ]
    assert told == [
        ("A", 0, False, True, False, False),
        ("reader", 1, False, False, False, False),
        ("of", 0, False, False, False, False),
        ("io.open(file)", 3, False, False, False, False),
        ("can't", 1, True, False, False, True),
        ("wait,", 1, False, False, True, False),
        ("unless", 1, True, False, False, False),
        ("forced.", 1, False, False, False, False),
    ]


def test_brackets_and_quotes_stay_whole_and_formulas_stay() -> None:
    text = 'Each tuple is of form (path, line, code), so "a + b" is y = x*2 here [sic].'
    outline = outline_of(text, DEFAULT)
    assert outline is not None
    told = {step.text: step.fixed for step in outline.passages[0]}
    assert {"(path, line, code),", '"a + b"', "[sic]."} < set(told)
    assert len(outline.passages[0]) == 14
    assert {text for text, fixed in told.items() if fixed} == {'"a + b"', "=", "x*2"}


def test_only_the_first_sentences_that_are_long_enough_where_so_many_are_asked() -> None:
    text = f"Too short. {TEXT}. Second {TEXT}. Third {TEXT}."

    def firsts(sentences: int) -> list[str]:
        outline = outline_of(text, Compression(sentences=sentences))
        assert outline is not None
        return [passage[0].text for passage in outline.passages]

    assert firsts(1) == ["cache"]
    assert firsts(2) == ["cache", "Second"]
    assert firsts(0) == firsts(9) == ["cache", "Second", "Third"]


def test_no_outline_where_none_is_asked_or_no_sentence_is_long_enough() -> None:
    assert outline_of("The reader waits for the writer of the disk.", None) is None
    assert outline_of("The reader waits.", DEFAULT) is None
    assert outline_of("", DEFAULT) is None


@settings(deadline=None, max_examples=200)
@given(words=st.lists(st.sampled_from(WORDS), min_size=5, max_size=14), seed=st.integers(0, 100))
def test_what_is_written_along_an_outline_passes_grounding(
    words: list[str], seed: int, tiny_vocabulary: Vocabulary
) -> None:
    document = " ".join(words) + "."
    outline = outline_of(document, DEFAULT)
    if outline is None:
        return
    compression = Written(outline, tiny_vocabulary)
    if not compression.start:
        return
    rng, reading, tokens = random.Random(seed), compression.start, list[int]()
    while True:
        token = rng.choice(compression.allowed(reading).tolist())
        if token in tiny_vocabulary.ends:
            break
        tokens.append(token)
        reading = compression.advance(reading, token)
    text = b"".join(tiny_vocabulary.piece(token) for token in tokens).decode()
    layer = Grounding(Grounding.Thresholds())
    pair = Pair(Document("d", document), Candidate("c", "d", 0, text))
    assert layer.rule(layer.measure(pair, Answers())) is None, (text, document)
