"""Clauses in a line of text: `a OR b AND c` is (a or b) and c, since OR binds tighter."""

from __future__ import annotations

AND, OR = " AND ", " OR "


def is_cnf(text: str) -> bool:
    """True if the text holds an operator; both stand between spaces, in capitals."""
    return AND in text or OR in text


def clauses(text: str) -> list[list[str]]:
    """The n-grams of each clause."""
    return [clause.split(OR) for clause in text.split(AND)]
