"""The part of a continuation that counts: its first line with text in it."""

from __future__ import annotations

from collections.abc import Sequence


def first_line(text: str) -> str:
    """The first line with text in it, without the space around it."""
    return text.strip().partition("\n")[0].strip()


def tokens_of_first_line(tokens: Sequence[str]) -> int:
    """How many of these tokens, one after the other, are drawn until that line is over.

    The token that holds the line break counts; all of them where there is none.
    """
    text = ""
    for number, token in enumerate(tokens, start=1):
        text += token
        if "\n" in text.lstrip():
            return number
    return len(tokens)
