"""Whether a finished text satisfies its clauses: the definition that decoding serves."""

from __future__ import annotations

import re
from collections.abc import Sequence

from stillhouse.errors import InvalidArgument
from stillhouse.generator.types import Clause, Literal


def occurs(form: str, text: str) -> bool:
    """Whether `form` stands in `text` as whole words."""
    return re.search(rf"(?<!\w){_either_case(form)}(?!\w)", text) is not None


def holds(literal: Literal, text: str) -> bool:
    """Whether the literal is true of the text."""
    return any(occurs(form, text) for form in literal.forms) != literal.exclude


def satisfied(clauses: Sequence[Clause], text: str) -> tuple[bool, ...]:
    """For each clause whether the text satisfies it."""
    return tuple(any(holds(literal, text) for literal in clause.literals) for clause in clauses)


def check_clauses(clauses: Sequence[Clause], field: str = "constraints") -> None:
    """InvalidArgument names the first clause that no text could be held against."""
    for number, clause in enumerate(clauses):
        name = f"{field}[{number}]"
        if not clause.literals:
            raise InvalidArgument(name, "has no literal; a clause needs at least one")
        for literal in clause.literals:
            if not literal.forms:
                raise InvalidArgument(name, "has a literal without a form; give its phrase")
            for form in literal.forms:
                if not form or form != form.strip() or "\n" in form:
                    raise InvalidArgument(
                        name, f"{form!r} is no phrase: it must not be empty, begin or end with "
                        "space, or hold a line break"
                    )  # fmt: skip


def _either_case(form: str) -> str:
    parts = []
    for character in form:
        lower, upper = character.lower(), character.upper()
        if character.isascii() and lower != upper:
            parts.append(f"[{lower}{upper}]")
        else:
            parts.append(re.escape(character))
    return "".join(parts)
