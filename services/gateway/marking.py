"""Where the n-grams of a query lie in a stretch of tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Run:
    """Some tokens in a row, and the number of the clause they match."""

    ids: Sequence[int]
    clause: int | None = None


def mark(ids: Sequence[int], clauses: Sequence[Sequence[Sequence[int]]]) -> list[Run]:
    """The tokens cut into runs, each occurrence of an n-gram a run of its own.

    Of matches that overlap, that of the earlier clause counts, then that of the earlier
    n-gram, then the one further left.
    """
    runs = [Run(ids)] if len(ids) else []
    for number, clause in enumerate(clauses):
        for ngram in clause:
            if len(ngram):
                runs = [
                    part
                    for run in runs
                    for part in ([run] if run.clause is not None else _cut(run, ngram, number))
                ]
    return runs


def _cut(run: Run, ngram: Sequence[int], clause: int) -> list[Run]:
    wanted, ids, size = list(ngram), list(run.ids), len(ngram)
    parts: list[Run] = []
    begin = at = 0
    while at + size <= len(ids):
        if ids[at : at + size] != wanted:
            at += 1
            continue
        if at > begin:
            parts.append(Run(ids[begin:at]))
        parts.append(Run(ids[at : at + size], clause))
        begin = at = at + size
    if begin < len(ids):
        parts.append(Run(ids[begin:]))
    return parts
