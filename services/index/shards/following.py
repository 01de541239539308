"""What follows a context in all shards: asked for in as few entries as the answer allows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from services.index.engine import Stop, Values, ragged
from services.index.limits import Limits
from services.index.shards import merging
from services.index.shards.calls import Shard, ask, ask_all
from services.index.shards.leaders import Leaders, Unknown
from services.index.shards.requests import sequences_of
from stillhouse.index import answers
from stillhouse.index.types import Distribution
from stillhouse.index.v1 import index_pb2 as pb

_FEW = 16  # entries more than asked for, so that fewer lists are cut

_Row = tuple[Distribution, ...]


class Following:
    """Distributions of the whole; a list that is cut is added up only where that is exact."""

    def __init__(self, shards: Sequence[Shard], distinct_tokens: int, limits: Limits) -> None:
        self._shards = tuple(shards)
        self._distinct = distinct_tokens
        self._limits = limits

    def ntd(
        self, contexts: Sequence[Values], top: int, infgram: bool, stop: Stop
    ) -> list[Distribution]:
        """What follows each context: the `top` most frequent, or all if it is 0.

        First somewhat more than `top` is asked of each shard; then the counts that decide
        and that no list shows; and all entries where even that leaves doubt.
        """
        more = min(2 * top + _FEW, self._limits.next_tokens) if top else 0
        rows = list(self._rows(contexts, more, infgram, stop))
        found = [merging.distribution(row, top) for row in rows]
        open_ = [number for number, one in enumerate(found) if one is None]
        decided = self._decided([contexts[n] for n in open_], [rows[n] for n in open_], top, stop)
        for number, one in zip(open_, decided, strict=True):
            found[number] = one
        open_ = [number for number in open_ if found[number] is None]
        whole = self._rows([contexts[n] for n in open_], 0, infgram, stop)
        for number, row in zip(open_, whole, strict=True):
            found[number] = merging.distribution(row, top)
        return [
            replace(one, context=context)
            for one, context in zip(found, contexts, strict=True)
            if one is not None
        ]

    def _rows(
        self, contexts: Sequence[Values], entries: int, infgram: bool, stop: Stop
    ) -> Iterator[_Row]:
        """For each context what each shard answers, up to `entries` entries, 0 for all."""
        widest = max(1, min(entries or self._limits.next_tokens, self._distinct))
        most = max(1, self._limits.next_tokens // widest)
        for sequences in sequences_of(*ragged(contexts), min(most, self._limits.batch_queries)):
            kind = pb.InfgramNtdBatchRequest if infgram else pb.NtdBatchRequest
            rpc = "InfgramNtdBatch" if infgram else "NtdBatch"
            found = ask_all(self._shards, rpc, kind(sequences=sequences, top=entries), stop)
            for row in zip(*(one.results for one in found), strict=True):
                yield tuple(map(answers.distribution_from_proto, row))

    def _decided(
        self, contexts: Sequence[Values], rows: Sequence[_Row], top: int, stop: Stop
    ) -> list[Distribution | None]:
        """The most frequent from cut lists and the counts that decide; None if others may be."""
        holders = [_holders(row) for row in rows]
        leaders = [
            Leaders([row[number] for number in held], top)
            for row, held in zip(rows, holders, strict=True)
        ]
        asked = [one.unknown() for one in leaders]
        suffixes = [
            context[len(context) - row[held[0]].suffix_length :]
            for context, row, held in zip(contexts, rows, holders, strict=True)
        ]
        wanted = [
            (holders[n][unknown.part], suffixes[n], unknown.outcome)
            for n, every in enumerate(asked)
            for unknown in every
        ]
        counts = iter(self._counts(wanted, stop))
        found: list[Distribution | None] = []
        for one, every, row, held in zip(leaders, asked, rows, holders, strict=True):
            known: dict[Unknown, int] = {unknown: next(counts) for unknown in every}
            ranking = one.ranking(known)
            parts = [row[number] for number in held]
            found.append(None if ranking is None else merging.ranked(ranking, parts))
        return found

    def _counts(self, wanted: Sequence[tuple[int, Values, int]], stop: Stop) -> list[int]:
        """How often each outcome follows its context in its shard: (shard, context, outcome)."""
        counts = [0] * len(wanted)
        for end in (False, True):
            numbers = [n for n, one in enumerate(wanted) if (one[2] == merging.END) is end]
            parts: list[tuple[list[int], Shard, pb.Sequences]] = []
            for shard in sorted({wanted[n][0] for n in numbers}):
                own = [n for n in numbers if wanted[n][0] == shard]
                queries = [
                    wanted[n][1] if end else np.append(wanted[n][1], np.uint32(wanted[n][2]))
                    for n in own
                ]
                cut = list(sequences_of(*ragged(queries), self._limits.batch_queries))
                bounds = np.cumsum([0, *(len(one.lengths) for one in cut)]).tolist()
                parts += [
                    (own[a:b], self._shards[shard], one)
                    for one, (a, b) in zip(cut, pairwise(bounds), strict=True)
                ]
            if end:
                requests = [(s, pb.ProbBatchRequest(sequences=q, end=True)) for _, s, q in parts]
                found = ask(requests, "ProbBatch", stop)
            else:
                found = ask(
                    [(s, pb.CountBatchRequest(sequences=q)) for _, s, q in parts],
                    "CountBatch",
                    stop,
                )
            for (own, _, _), answer in zip(parts, found, strict=True):
                for n, count in zip(own, answer.counts, strict=True):
                    counts[n] = count
        return counts


def _holders(row: _Row) -> list[int]:
    """The shards that have a part in the answer."""
    longest = max(one.suffix_length for one in row)
    return [
        number
        for number, one in enumerate(row)
        if one.suffix_length == longest and one.context_count
    ]
