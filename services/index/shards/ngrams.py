"""N-gram queries to shards as one index; `merging` says why the answers are exact."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.index.corpus import Clauses, Numbers
from services.index.engine import END, Offsets, RawSpan, Stop, Values, ragged
from services.index.limits import Limits
from services.index.shards import merging, spans
from services.index.shards.calls import Shard, ask, ask_all
from services.index.shards.following import Following
from services.index.shards.requests import sequences_of
from stillhouse.index import answers, convert
from stillhouse.index.types import Distribution, Probabilities
from stillhouse.index.v1 import index_pb2 as pb


class ShardNgrams:
    """`corpus.Ngrams` over shards that agree on their tokens."""

    remote = True

    def __init__(
        self,
        shards: Sequence[Shard],
        digest: str,
        tokenizer_sha256: str,
        distinct_tokens: int,
        limits: Limits,
    ) -> None:
        self._shards = tuple(shards)
        self._limits = limits
        self._following = Following(shards, distinct_tokens, limits)
        self.digest = digest
        self.tokenizer_sha256 = tokenizer_sha256
        self.distinct_tokens = distinct_tokens
        self.tokens = sum(one.tokens for one in shards)
        self.documents = sum(one.documents for one in shards)

    def count(self, values: Values, offsets: Offsets, stop: Stop) -> Numbers:
        """Occurrences (m,) of each of m n-grams."""
        parts = []
        for sequences in self._requests(values, offsets):
            request = pb.CountBatchRequest(sequences=sequences)
            found = ask_all(self._shards, "CountBatch", request, stop)
            parts.append(sum(np.array(one.counts, np.uint64) for one in found))
        return np.concatenate([np.empty(0, np.uint64), *parts])

    def find(self, values: Values, offsets: Offsets, stop: Stop) -> tuple[Numbers, Numbers]:
        """First ranks (m, s) and ranks behind the last (m, s) of m n-grams in each of s shards."""
        ranks = np.zeros((2, len(offsets) - 1, len(self._shards)), np.uint64)
        at = 0
        for sequences in self._requests(values, offsets):
            request = pb.FindBatchRequest(sequences=sequences)
            found = ask_all(self._shards, "FindBatch", request, stop)
            for number, (shard, part) in enumerate(zip(self._shards, found, strict=True)):
                for row, one in enumerate(part.results, start=at):
                    for segment in one.segments:
                        ranks[:, row, number] = segment.begin, segment.end
                        ranks[:, row, number] += np.uint64(shard.first_token)
            at += len(sequences.lengths)
        return ranks[0], ranks[1]

    def prob(
        self,
        values: Values,
        offsets: Offsets,
        following: NDArray[np.int64],
        infgram: bool,
        stop: Stop,
    ) -> Probabilities:
        """How likely following (m,), ids or END, come after m contexts."""
        contexts = [values[a:b] for a, b in _pairs(offsets)]
        end = bool(len(following)) and bool((following == END).all())
        asked = contexts
        if not end:
            nexts = following.astype(np.uint32)[:, None]
            asked = [np.concatenate(pair) for pair in zip(contexts, nexts, strict=True)]
        parts = []
        for sequences in self._requests(*ragged(asked)):
            if infgram:
                request: Any = pb.InfgramProbBatchRequest(sequences=sequences, end=end)
                found = ask_all(self._shards, "InfgramProbBatch", request, stop)
                found = [one.results for one in found]
            else:
                request = pb.ProbBatchRequest(sequences=sequences, end=end)
                found = ask_all(self._shards, "ProbBatch", request, stop)
            parts.append([answers.probabilities_from_proto(one) for one in found])
        return self._merged(_joined(parts, len(self._shards)), contexts, stop)

    def score(self, values: Values, offsets: Offsets, stop: Stop) -> Probabilities:
        """Infinity-gram probabilities (n,) of every token of m sequences; results run through."""
        parts = []
        for sequences in self._requests(values, offsets):
            request = pb.ScoreBatchRequest(sequences=sequences)
            found = ask_all(self._shards, "ScoreBatch", request, stop)
            rows = [[answers.scores_from_proto(one) for one in part.results] for part in found]
            parts += [list(row) for row in zip(*rows, strict=True)]
        contexts = [values[a:i] for a, b in _pairs(offsets) for i in range(a, b)]
        return self._merged(_joined(parts, len(self._shards)), contexts, stop)

    def _merged(
        self, parts: Sequence[Probabilities], contexts: Sequence[Values], stop: Stop
    ) -> Probabilities:
        merged, unclear = merging.probabilities(parts)
        if not unclear.any():
            return merged
        rows = np.flatnonzero(unclear).tolist()
        lengths = merged.suffix_lengths
        suffixes = [contexts[row][len(contexts[row]) - int(lengths[row]) :] for row in rows]
        known = self.ntd(*ragged(suffixes), 1, False, stop)
        sparse = merged.sparse.copy()
        sparse[rows] = [one.sparse for one in known]
        return replace(merged, sparse=sparse)

    def ntd(
        self, values: Values, offsets: Offsets, top: int, infgram: bool, stop: Stop
    ) -> list[Distribution]:
        """What follows each of m contexts: the `top` most frequent, or all if it is 0."""
        contexts = [values[a:b] for a, b in _pairs(offsets)]
        return self._following.ntd(contexts, top, infgram, stop)

    def match(
        self, values: Values, offsets: Offsets, stop: Stop
    ) -> tuple[NDArray[np.uint32], Numbers]:
        """Longest match (n,) from each token of m sequences and its count (n,)."""
        lengths, counts = [np.empty(0, np.uint32)], [np.empty(0, np.uint64)]
        for sequences in self._requests(values, offsets):
            request = pb.MatchLengthsBatchRequest(sequences=sequences)
            found = ask_all(self._shards, "MatchLengthsBatch", request, stop)
            for row in zip(*(one.matches for one in found), strict=True):
                parts = [convert.match_from_proto(one) for one in row]
                length, count = merging.matches([(one.lengths, one.counts) for one in parts])
                lengths.append(length)
                counts.append(count)
        return np.concatenate(lengths), np.concatenate(counts)

    def count_cnf(self, clauses: Clauses, near: int, anchor: int | None, stop: Stop) -> int:
        """Occurrences of clause `anchor`, or the rarest, within `near` tokens of all others."""
        return sum(self._count_cnf(clauses, near, anchor, stop)[1])

    def find_cnf(
        self, clauses: Clauses, near: int, anchor: int | None, stop: Stop
    ) -> ShardPositions:
        """The positions that `count_cnf` counts."""
        anchor, counts = self._count_cnf(clauses, near, anchor, stop)
        request = pb.FindCnfRequest(cnf=_cnf(clauses), max_diff_tokens=near, anchor=anchor)
        return ShardPositions(self._shards, request, counts, self._limits.positions)

    def _count_cnf(
        self, clauses: Clauses, near: int, anchor: int | None, stop: Stop
    ) -> tuple[int, list[int]]:
        """The anchor, which is the rarest clause of the whole, and what each shard counts."""
        if anchor is None:
            anchor = 0 if len(clauses) == 1 else self._rarest(clauses, stop)
        request = pb.CountCnfRequest(cnf=_cnf(clauses), max_diff_tokens=near, anchor=anchor)
        found = ask_all(self._shards, "CountCnf", request, stop)
        return anchor, [int(one.count) for one in found]

    def _rarest(self, clauses: Clauses, stop: Stop) -> int:
        request = pb.CountCnfBatchRequest(cnfs=[_cnf([one]) for one in clauses])
        found = ask_all(self._shards, "CountCnfBatch", request, stop)
        counts = sum(np.array(one.counts, np.uint64) for one in found)
        return int(np.argmin(counts))

    def attribute(
        self,
        query: Values,
        min_length: int,
        max_count: int | None,
        delimiters: Values,
        word_starts: Values | None,
        stop: Stop,
    ) -> list[RawSpan]:
        """The maximal stretches of a query."""
        lengths, _ = self.match(query, np.array([0, len(query)], np.uint64), stop)
        found = spans.maximal(query, lengths, min_length, delimiters, word_starts)
        counts = self.count(*ragged([query[a:b] for a, b in found]), stop).tolist()
        return [
            RawSpan(begin, end, count)
            for (begin, end), count in zip(found, counts, strict=True)
            if max_count is None or count <= max_count
        ]

    def _requests(self, values: Values, offsets: Offsets) -> Iterator[pb.Sequences]:
        return sequences_of(values, offsets, self._limits.batch_queries)


class ShardPositions:
    """`corpus.Positions` of a CNF query; each shard is asked for the part that is wanted."""

    def __init__(
        self,
        shards: Sequence[Shard],
        request: pb.FindCnfRequest,
        counts: Sequence[int],
        limit: int,
    ) -> None:
        self._shards = shards
        self._request = request
        self._behind = np.cumsum([0, *counts]).tolist()
        self._limit = limit

    @property
    def count(self) -> int:
        """How many there are."""
        return int(self._behind[-1])

    def part(self, begin: int, end: int, stop: Stop) -> Numbers:
        """Those with numbers [begin, end), as far as there are."""
        end = min(end, self.count)
        parts = [np.empty(0, np.uint64)]
        while begin < end:
            behind = min(end, begin + self._limit)
            parts += self._part(begin, behind, stop)
            begin = behind
        return np.concatenate(parts)

    def _part(self, begin: int, end: int, stop: Stop) -> list[Numbers]:
        asked = []
        for number, shard in enumerate(self._shards):
            first = max(begin, self._behind[number])
            behind = min(end, self._behind[number + 1])
            if first < behind:
                request = pb.FindCnfRequest()
                request.CopyFrom(self._request)
                request.skip, request.limit = first - self._behind[number], behind - first
                asked.append((shard, request))
        found = ask(asked, "FindCnf", stop)
        return [
            np.array(one.positions, np.uint64) + np.uint64(shard.first_token)
            for (shard, _), one in zip(asked, found, strict=True)
        ]


def _pairs(offsets: Offsets) -> list[tuple[int, int]]:
    return list(pairwise(offsets.tolist()))


def _joined(parts: Sequence[Sequence[Any]], shards: int) -> list[Probabilities]:
    """One of each shard, from many of each, which are about one row after the other."""
    names = ("probabilities", "counts", "context_counts", "suffix_lengths", "sparse")
    empty = answers.probabilities_from_proto(pb.ProbBatchResponse())
    return [
        Probabilities(
            *(
                np.concatenate([getattr(one, name) for one in (empty, *(p[number] for p in parts))])
                for name in names
            )
        )
        for number in range(shards)
    ]


def _cnf(clauses: Clauses) -> pb.Cnf:
    return pb.Cnf(
        clauses=[
            pb.Clause(any_of=[pb.Query(tokens=convert.ids_to_proto(ngram)) for ngram in clause])
            for clause in clauses
        ]
    )
