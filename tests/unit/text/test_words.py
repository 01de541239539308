from __future__ import annotations

import pytest

from stillhouse.text.words import content_words, ends_sentence, ngrams, spans, words


def test_words_are_folded() -> None:
    assert words("Don't read ﬁles１２ x86_64.") == ("don't", "read", "files12", "x86_64")


def test_unspaced_scripts_have_a_word_a_character() -> None:
    assert words("abc 漢字x") == ("abc", "漢", "字", "x")


def test_spans_point_into_the_text() -> None:
    text = "One, two."
    assert [text[word.start : word.end] for word in spans(text)] == ["One", "two"]


def test_content_words_leave_function_words_out() -> None:
    assert content_words("The 2 files of it are read") == ("2", "files", "read")


def test_ngrams_of_a_short_text() -> None:
    assert ngrams(["a", "b", "c"], 2) == [("a", "b"), ("b", "c")]
    assert ngrams(["a"], 2) == []


@pytest.mark.parametrize("text", ["Done.", 'He said "done."', "完了。", "Done?)", "Done. "])
def test_finished_sentences(text: str) -> None:
    assert ends_sentence(text)


@pytest.mark.parametrize("text", ["", "Done", "As follows:", "one, two,", "()"])
def test_unfinished_sentences(text: str) -> None:
    assert not ends_sentence(text)
