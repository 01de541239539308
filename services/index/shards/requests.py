"""Many queries as requests that a shard takes, and whose answers fit a message."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from services.index.engine import Offsets, Values
from stillhouse.index.v1 import index_pb2 as pb

_TOKENS = 262_144  # in one request: an answer with a row per token fits a message


def sequences_of(values: Values, offsets: Offsets, most: int) -> Iterator[pb.Sequences]:
    """m queries, up to `most` in each request."""
    bounds = offsets.tolist()
    start = 0
    while start < len(bounds) - 1:
        stop = start + 1
        while (
            stop < len(bounds) - 1
            and stop - start < most
            and bounds[stop + 1] - bounds[start] <= _TOKENS
        ):
            stop += 1
        ids = values[bounds[start] : bounds[stop]].tolist()
        lengths = np.diff(bounds[start : stop + 1]).tolist()
        yield pb.Sequences(ids=ids, lengths=lengths)
        start = stop
