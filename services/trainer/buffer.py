"""The training buffer: the judged candidates of a generation, no two accepted ones alike.

Batches are taken in their order, so that which of two near-duplicates is kept does not
depend on who was faster. Rows go to disk in shards of Parquet; a checkpoint names the
shards that count, the state of the near-duplicate index, and the position in the stream
of verdicts. What came after the checkpoint is still there as one file a batch, and is
taken again by whoever opens the buffer: nothing is lost and nothing doubled.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from services.trainer import tables
from services.trainer.files import (
    RunFolder,
    read_json,
    read_table,
    table_writer,
    write_table,
    write_text,
)
from services.trainer.funnel import Tally
from services.trainer.near_duplicates import NEAR_DUPLICATE, NearDuplicates
from stillhouse.errors import FailedPrecondition
from stillhouse.filter.types import LayerStats

_CHECKPOINT = "checkpoint.json"


@dataclass(frozen=True, slots=True)
class Position:
    """Up to `sequence` in a stream of verdicts everything is on disk.

    `stream` tells when that stream was made: in another broker's, numbers begin anew.
    """

    sequence: int = 0
    stream: str = ""


class TrainingBuffer:
    """The buffer of one generation, as its last checkpoint left it.

    `threshold` is the Jaccard similarity from which on two texts count as near-duplicates,
    `layers` the cascade's, in order; a checkpoint is due after every `shard_rows` rows.
    FailedPrecondition if the checkpoint is damaged.
    """

    def __init__(
        self,
        folder: RunFolder,
        generation: int,
        *,
        threshold: float,
        layers: Sequence[str],
        shard_rows: int,
    ) -> None:
        self._run = folder
        self._generation = generation
        self._folder = folder.buffer(generation)
        self._layers = [*layers, NEAR_DUPLICATE]
        self._shard_rows = shard_rows
        self._rows: list[pa.Table] = []  # of the shard to come
        saved = _load(self._folder)
        try:
            self._shards = int(saved["shards"])
            self._accepted = [int(one) for one in saved["accepted"]]
            self._saved_batches = len(self._accepted)
            # Checkpoints of before don't name their stream: then all is read again.
            self._position = Position(int(saved["stream_sequence"]), saved.get("stream", ""))
            self._tally = Tally(int(saved["judged"]), dict(saved["rejected"]))
            self._near = NearDuplicates(threshold, self._folder / "index", saved["near_duplicates"])
        except (AttributeError, KeyError, OSError, TypeError, ValueError) as error:
            place = self._folder / _CHECKPOINT
            why = f"{type(error).__name__}: {error}"
            raise FailedPrecondition(f"{place} is damaged: {why}") from None

    @property
    def accepted_by_batch(self) -> Sequence[int]:
        """How many samples of each batch so far were accepted."""
        return self._accepted

    @property
    def batches(self) -> int:
        """Batches taken so far."""
        return len(self._accepted)

    @property
    def judged(self) -> int:
        """Candidates taken so far."""
        return self._tally.total

    @property
    def accepted(self) -> int:
        """Samples accepted so far."""
        return self._tally.accepted

    @property
    def funnel(self) -> tuple[LayerStats, ...]:
        """What each layer saw and passed so far, the buffer's own decision last."""
        return self._tally.funnel(self._layers)

    @property
    def position(self) -> Position:
        """Where in the stream of verdicts the last checkpoint was."""
        return self._position

    @property
    def due(self) -> bool:
        """Whether it is time for a checkpoint."""
        return sum(len(rows) for rows in self._rows) >= self._shard_rows

    def add(self, part: pa.Table) -> int:
        """Take the verdicts of the next batch; returns how many of it were accepted."""
        candidates, verdicts = tables.judged_from(part)
        final = self._near.judge(candidates, verdicts)
        self._rows.append(tables.with_final_verdicts(part, final))
        for verdict in final:
            self._tally.count(verdict)
        self._accepted.append(sum(verdict.accepted for verdict in final))
        return self._accepted[-1]

    def checkpoint(self, position: Position) -> None:
        """Put everything so far on disk, and drop the files of its batches."""
        if self._rows:
            write_table(self._shard(self._shards), pa.concat_tables(self._rows))
            self._shards, self._rows = self._shards + 1, []
        content = {
            "shards": self._shards,
            "accepted": self._accepted,
            "stream_sequence": position.sequence,
            "stream": position.stream,
            "judged": self._tally.total,
            "rejected": self._tally.rejected,
            "near_duplicates": self._near.flush(),
        }
        write_text(self._folder / _CHECKPOINT, json.dumps(content))
        self._position = position
        self._near.tidy()
        for batch in range(self._saved_batches, self.batches):
            self._run.part(self._generation, batch).unlink(missing_ok=True)
        self._saved_batches = self.batches

    def finish(self, texts: Mapping[str, str]) -> None:
        """Write the generation's verdicts and data set, then drop all that led to them.

        texts: documents by source id.
        """
        with (  # that the verdicts are there says that both are, so they come last
            table_writer(self._run.verdicts(self._generation), tables.VERDICTS) as verdicts,
            table_writer(self._run.dataset(self._generation), tables.DATASET) as dataset,
        ):
            for rows in self._tables():
                dataset.write_table(tables.dataset_table(rows, texts))
                verdicts.write_table(rows)
        self._run.drop_parts()

    def _tables(self) -> Iterator[pa.Table]:
        for number in range(self._shards):
            yield read_table(self._shard(number))
        yield from self._rows

    def _shard(self, number: int) -> Path:
        return self._folder / f"shard-{number:06d}.parquet"


def _load(folder: Path) -> dict[str, Any]:
    path = folder / _CHECKPOINT
    if os.path.lexists(path):
        return read_json(path)
    return {
        "shards": 0,
        "accepted": [],
        "stream_sequence": 0,
        "stream": "",
        "judged": 0,
        "rejected": {},
        "near_duplicates": None,
    }
