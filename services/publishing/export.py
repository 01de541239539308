"""Writing a dataset folder: Parquet for `datasets.load_dataset`, and its card."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from services.publishing.card import Card
from services.publishing.merging import SPLITS
from services.trainer.files import replacing_folder, write_text
from stillhouse.errors import InvalidArgument

SHARD_ROWS = 100_000


def export(card: Card, to: Path, shard_rows: int = SHARD_ROWS) -> None:
    """Write the folder whole or not at all, each split in files of `shard_rows` at most.

    InvalidArgument if there is something already.
    """
    check_free(to)
    merged = card.merged
    with replacing_folder(to) as part:
        (part / "data").mkdir()
        for split in SPLITS:
            count = -(-merged.count(split) // shard_rows)
            names = [f"{split}-{n:05d}-of-{count:05d}.parquet" for n in range(count)]
            shards = _shards(merged.tables(split), shard_rows)
            for name, shard in zip(names, shards, strict=True):
                with pq.ParquetWriter(
                    part / "data" / name, merged.schema, compression="zstd"
                ) as writer:
                    for table in shard:
                        writer.write_table(table)
        write_text(part / "README.md", card.markdown())


def check_free(to: Path) -> None:
    """InvalidArgument unless `to` is a new or an empty folder."""
    if to.exists() and (not to.is_dir() or any(to.iterdir())):
        raise InvalidArgument("--to", f"{to} exists; give a new folder, or remove it")


def _shards(tables: Iterable[pa.Table], rows: int) -> Iterator[list[pa.Table]]:
    """The tables in lists of `rows` rows together, the last of what is left."""
    shard: list[pa.Table] = []
    free = rows
    for table in tables:
        rest = table
        while len(rest) >= free:
            yield [*shard, rest.slice(0, free)]
            rest, shard, free = rest.slice(free), [], rows
        if len(rest):
            shard.append(rest)
            free -= len(rest)
    if shard:
        yield shard
