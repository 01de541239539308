"""How much one call may ask, and the refusal that names what is over."""

from __future__ import annotations

from dataclasses import dataclass

from stillhouse.errors import InvalidArgument


@dataclass(frozen=True, slots=True)
class Limits:
    """Most of each kind in one call."""

    query_tokens: int = 65_536
    query_characters: int = 1_000_000
    batch_queries: int = 4096
    batch_tokens: int = 1_048_576
    next_tokens: int = 262_144
    documents: int = 1000
    positions: int = 100_000
    context_tokens: int = 10_000
    cnf_clauses: int = 16
    clause_ngrams: int = 64
    diff_tokens: int = 1000


def check(field: str, value: int, limit: int, unit: str) -> None:
    """InvalidArgument names the field, its value and the limit, if it is over."""
    if value > limit:
        raise InvalidArgument(field, f"has {value} {unit}, the limit is {limit}; send less a call")


def check_setting(field: str, value: int, limit: int) -> None:
    """InvalidArgument if a number that the caller chose is over its limit."""
    if value > limit:
        raise InvalidArgument(field, f"is {value}, the limit is {limit}")


_ANSWER = "the answer would have "


class TooLarge(InvalidArgument):
    """An answer is larger than a message may be: that of a shard, so of the whole."""


def check_answer(field: str, size: int, limit: int) -> None:
    """InvalidArgument if an answer is larger, in bytes, than a message may be."""
    if size > limit:
        raise InvalidArgument(
            field, f"{_ANSWER}{size} bytes, the limit is {limit}; send less a call"
        )


def is_too_large(error: InvalidArgument) -> bool:
    """Whether an error, which may come from another service, is one of `check_answer`."""
    return error.reason.startswith(_ANSWER)
