"""Counting n-grams, and how likely the next token is."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from services.index.engine import END
from services.index.queries import Batch, Work
from stillhouse.errors import InvalidArgument
from stillhouse.index.types import MatchStatistics, Probabilities, Scores


def count(work: Work) -> NDArray[np.uint64]:
    """Occurrences (m,) of each query."""
    return work.index.engine.count(work.batch.values, work.batch.offsets, work.stop)


def find(work: Work) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """First ranks (m, s) and ranks behind the last (m, s) of each query in each of s shards."""
    return work.index.engine.find(work.batch.values, work.batch.offsets, work.stop)


def prob(work: Work, end: bool, infgram: bool) -> Probabilities:
    """How likely each query's last token, or with `end` the document's end, follows the rest.

    Raises InvalidArgument for an empty query that has no last token.
    """
    batch = work.batch
    if end:
        following = np.full(len(batch), END, np.int64)
    else:
        batch, following = _without_last(batch)
    engine = work.index.engine
    return engine.prob(batch.values, batch.offsets, following, infgram, work.stop)


def _without_last(batch: Batch) -> tuple[Batch, NDArray[np.int64]]:
    lengths = batch.lengths
    if len(lengths) and not lengths.all():
        first = batch.names.of(int(np.argmin(lengths)))
        raise InvalidArgument(first, "is empty; give the token whose probability is asked, or end")
    last = batch.offsets[1:] - np.uint64(1)
    following = batch.values[last].astype(np.int64)
    keep = np.ones(len(batch.values), np.bool_)
    keep[last] = False
    offsets = np.subtract(
        batch.offsets, np.arange(len(batch.offsets)), dtype=np.uint64, casting="unsafe"
    )
    return Batch(batch.names, batch.values[keep], offsets), following


def score(work: Work) -> list[Scores]:
    """Infinity-gram probabilities of every token of each query."""
    batch = work.batch
    found = work.index.engine.score(batch.values, batch.offsets, work.stop)
    bounds = batch.offsets.tolist()
    return [
        Scores(
            found.probabilities[a:b], found.counts[a:b], found.context_counts[a:b],
            found.suffix_lengths[a:b], found.sparse[a:b], batch.values[a:b],
        )
        for a, b in pairwise(bounds)
    ]  # fmt: skip


def match(work: Work) -> list[MatchStatistics]:
    """Matching statistics of each query."""
    batch = work.batch
    lengths, counts = work.index.engine.match(batch.values, batch.offsets, work.stop)
    bounds = batch.offsets.tolist()
    return [
        MatchStatistics(lengths[a:b], counts[a:b], batch.values[a:b]) for a, b in pairwise(bounds)
    ]
