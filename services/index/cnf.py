"""Places where n-grams occur near each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from services.index.engine import Stop
from services.index.limits import Limits, check, check_setting
from services.index.queries import Query
from services.index.registry import LoadedIndex
from stillhouse.errors import InvalidArgument
from stillhouse.index.types import CnfHits

Asked: TypeAlias = Sequence[Sequence[Query]]
"""Clauses of n-grams as they came."""

Clauses: TypeAlias = list[list[NDArray[np.uint32]]]
"""Clauses of n-grams by ids."""

DEFAULT_DIFF_TOKENS = 100


@dataclass(frozen=True, slots=True)
class Which:
    """Whose occurrences, None for the rarest clause's; and which: 0 for as many as a call may."""

    anchor: int | None = None
    skip: int = 0
    limit: int = 0


def check_asked(fields: Sequence[str], asked: Sequence[Asked], near: int, limits: Limits) -> None:
    """InvalidArgument names what is missing, empty or over a limit."""
    check_setting("max_diff_tokens", near, limits.diff_tokens)
    check("cnfs", len(asked), limits.batch_queries, "entries")
    for field, cnf in zip(fields, asked, strict=True):
        if not cnf:
            raise InvalidArgument(f"{field}.clauses", "is empty; give at least one clause")
        check(f"{field}.clauses", len(cnf), limits.cnf_clauses, "clauses")
        for number, clause in enumerate(cnf):
            _check_clause(f"{field}.clauses[{number}].any_of", clause, limits)


def _check_clause(field: str, clause: Sequence[Query], limits: Limits) -> None:
    if not clause:
        raise InvalidArgument(field, "is empty; give at least one n-gram")
    check(field, len(clause), limits.clause_ngrams, "n-grams")
    for number, ngram in enumerate(clause):
        if isinstance(ngram, str):
            check(f"{field}[{number}]", len(ngram), limits.query_characters, "characters")
        else:
            check(f"{field}[{number}]", len(ngram), limits.query_tokens, "tokens")


def to_clauses(field: str, asked: Asked, index: LoadedIndex, limits: Limits) -> Clauses:
    """The n-grams by ids; InvalidArgument names one that has no token."""
    texts = [ngram for clause in asked for ngram in clause if isinstance(ngram, str)]
    cut = iter(index.require_tokenizer().ids(texts) if texts else ())
    clauses = [
        [next(cut) if isinstance(ngram, str) else ngram for ngram in clause] for clause in asked
    ]
    total = 0
    for i, clause in enumerate(clauses):
        for j, ngram in enumerate(clause):
            name = f"{field}.clauses[{i}].any_of[{j}]"
            if not len(ngram):
                raise InvalidArgument(name, "has no token; give an n-gram")
            check(name, len(ngram), limits.query_tokens, "tokens")
            total += len(ngram)
    check(field, total, limits.batch_tokens, "tokens together")
    return clauses


def count(index: LoadedIndex, clauses: Clauses, near: int, anchor: int | None, stop: Stop) -> int:
    """Occurrences of clause `anchor`, or the rarest, near one of every other."""
    return index.engine.count_cnf(clauses, near, anchor, stop)


def find(
    index: LoadedIndex,
    clauses: Clauses,
    near: int,
    which: Which,
    limits: Limits,
    stop: Stop,
) -> CnfHits:
    """The count and the positions that are wanted."""
    check_setting("limit", which.limit, limits.positions)
    found = index.engine.find_cnf(clauses, near, which.anchor, stop)
    end = which.skip + (which.limit or limits.positions)
    return CnfHits(found.count, found.part(which.skip, end, stop))
