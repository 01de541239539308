from __future__ import annotations

import pytest

from services.filter.facts import names, new_names, new_numbers, new_word_share, numbers


@pytest.mark.parametrize(
    ("said", "known"),
    [
        ("1,000 rows", "1000 rows"),
        ("1000 rows", "1,000 rows"),
        ("3 modes", "three modes"),
        ("three modes", "3 modes"),
        ("2.0 units", "2 units"),
        ("UTF-8 text", "utf8 text"),
        ("12,500,000.5 units", "12500000.5 units"),
        ("in 007", "in 7"),
        ("the 3rd try", "try 3"),
        ("２ ways", "2 ways"),
        ("two ways", "both ways"),
        ("1 way", "a single way"),
        ("1, 2 and 3", "3, 2, 1"),
        ("1,2,3", "3 2 1"),
    ],
)
def test_the_same_number_said_otherwise(said: str, known: str) -> None:
    assert new_numbers(said, known) == frozenset()


@pytest.mark.parametrize(
    ("said", "known", "new"),
    [
        ("3.10", "3.1", "3.10"),
        ("13 rows", "12 rows", "13"),
        ("ten rows", "rows", "10"),
        ("0x12345678", "no such value", "12345678"),
        ("100", "10,0", "100"),
        ("1 row", "a row of an array", "1"),
    ],
)
def test_a_new_number(said: str, known: str, new: str) -> None:
    assert new in new_numbers(said, known)


def test_endless_digits_stay_as_written() -> None:
    assert numbers("9" * 5000) == {"9" * 5000}


@pytest.mark.parametrize(
    ("said", "known"),
    [
        ("Returns a list.", "a list"),
        ("It ends. Then it starts again.", "it ends and starts"),
        ("the StreamWriter is closed", "the stream writer is closed"),
        ("the APIs of it", "its API"),
        ("of Python's kind", "in python"),
        ("what I see", "nothing"),
        ("the HTTP Server", "an http server"),
        ('half is "½" here', "½ of it"),
        ("in Zu\u0308rich", "in Zürich"),
    ],
)
def test_no_new_name(said: str, known: str) -> None:
    assert new_names(said, known) == ()


@pytest.mark.parametrize(
    ("said", "new"),
    [
        ("a function in Python", ("Python",)),
        ("Hugging Face made it", ("Hugging", "Face")),
        ("FFmpeg compresses it", ("FFmpeg",)),
        ("it calls `get_bytes` once", ("get_bytes",)),
        ("the `Solarax` method", ("Solarax",)),
        ("the `solarax` method", ("solarax",)),
        ("named 'attrname' here", ("attrname",)),
        ('It says: "Done."', ("Done",)),
        ("calls filter(x) on it", ("filter",)),
    ],
)
def test_a_new_name(said: str, new: tuple[str, ...]) -> None:
    assert new_names(said, "a document about something else") == new


def test_names_in_order() -> None:
    assert names("In Python the Foo of x_y") == ("Python", "Foo", "x_y")


def test_share_of_new_words() -> None:
    assert new_word_share("It reads cached files.", "Read a file; caching is on.") == 0
    assert new_word_share("It reads pigeons.", "Read a file.") == 1 / 2
    assert new_word_share("It is.", "Read a file.") == 0
