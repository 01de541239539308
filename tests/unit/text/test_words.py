from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stillhouse.text.words import content_words, ends_sentence, ngrams, spans, words


def test_words_are_folded() -> None:
    assert words("Don't read ﬁles１２ x86_64.") == ("don't", "read", "files12", "x86_64")


def test_unspaced_scripts_have_a_word_a_character() -> None:
    assert words("abc 漢字x") == ("abc", "漢", "字", "x")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("हिन्दी में लिखा", ("हिन्दी", "में", "लिखा")),
        ("தமிழ் மொழி", ("தமிழ்", "மொழி")),
        ("كِتَابٌ جديد", ("كِتَابٌ", "جديد")),
        ("in Zu\u0308rich's Café", ("in", "zürich's", "café")),
        ("Cafe\u0301s l\u2019e\u0301te\u0301", ("cafés", "l’été")),
        ("İstanbul", ("i\u0307stanbul",)),
        ("ｶﾞｽ ½ ﷺ", ("ガ", "ス", "1", "2", "صلى", "الله", "عليه", "وسلم")),
        ("1\ufe0f\u20e3 and \u0301", ("1", "and")),
    ],
)
def test_words_go_on_over_combining_marks(text: str, expected: tuple[str, ...]) -> None:
    assert words(text) == expected


def test_words_that_differ_in_vowel_signs_differ() -> None:
    assert words("कि") != words("का") != words("क")


@given(st.text(alphabet="aZéü'’1_- \u0308\u0301क्षि漢"))
def test_canonically_equal_texts_have_the_same_words(text: str) -> None:
    composed, decomposed = (unicodedata.normalize(form, text) for form in ("NFC", "NFD"))
    assert words(composed) == words(decomposed) == tuple(one.key for one in spans(composed))
    assert len(spans(composed)) == len(spans(decomposed))


@given(st.text())
@example("⼀ ㎏ ½ ﷺ")
def test_words_are_those_of_the_spans(text: str) -> None:
    assert list(words(text)) == [part for one in spans(text) for part in words(one.text)]


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
