"""A page of judged candidates out of files of any size, read a row group at a time."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from services.trainer.tables import judged_candidates
from stillhouse.errors import FailedPrecondition
from stillhouse.trainer.types import JudgedCandidate

_COLUMNS = [
    "id", "generation", "source_id", "sample_index", "text", "accepted", "layer", "reason",
    "scores",
]  # fmt: skip


def listed(
    paths: Iterable[Path], *, accepted: bool | None, layer: str, start: int, count: int
) -> list[JudgedCandidate]:
    """`count` rows of VERDICTS files from the `start`-th on, of those that are wanted.

    accepted: None takes all; layer: only what it rejected, empty takes all.
    FailedPrecondition names a file that is damaged.
    """
    found: list[JudgedCandidate] = []
    for path in paths:
        try:
            file = pq.ParquetFile(path)
            for group in range(file.num_row_groups):
                if len(found) == count:
                    return found
                wanted = _wanted(file.read_row_group(group, ["accepted", "layer"]), accepted, layer)
                matching = pc.sum(wanted).as_py() or 0
                if start >= matching:
                    start -= matching
                    continue
                rows = file.read_row_group(group, _COLUMNS).filter(wanted)
                found += judged_candidates(rows.slice(start, count - len(found)))
                start = 0
        except pa.ArrowException as error:
            raise FailedPrecondition(f"{path} is damaged: {error}") from None
    return found


def _wanted(rows: pa.Table, accepted: bool | None, layer: str) -> pa.ChunkedArray:
    everything = pa.chunked_array([pa.repeat(pa.scalar(True), rows.num_rows)])
    if accepted is not None:
        everything = pc.and_(everything, pc.equal(rows["accepted"], accepted))
    if layer:
        everything = pc.and_(everything, pc.equal(rows["layer"], layer))
    return everything
