"""The peers: infini-gram builds an index of the same tokens, both it and fast-gram ask it."""

import contextlib
import io
import os
import shutil
import time
from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np

from bench.engine.corpus import Array

SEPARATOR = 65535


def write_inputs(tokens: Array, offsets: Array, directory: Path) -> None:
    """The text with a separator before each document, and where documents start, in bytes."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    starts = offsets[:-1].astype(np.int64)
    np.insert(tokens, starts, SEPARATOR).astype("<u2").tofile(directory / "tokenized.0")
    ((starts + np.arange(len(starts))) * 2).astype("<u8").tofile(directory / "offset.0")
    for name in ("metadata.0", "metaoff.0"):
        (directory / name).touch()


def build(directory: Path) -> float:
    """Seconds that infini-gram's own indexer takes for the suffix array, on all processors."""
    from infini_gram import indexing  # noqa: PLC0415

    args = Namespace(
        save_dir=str(directory), temp_dir=str(directory), worker_id=0, workers=1, shards=1,
        cpus=os.cpu_count(), mem=8, token_width=2,
    )  # fmt: skip
    here = Path.cwd()
    start = time.perf_counter()
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            indexing.build_sa(args)
    finally:
        os.chdir(here)
    for name in ("metadata.0", "metaoff.0"):
        (directory / name).unlink(missing_ok=True)
    return time.perf_counter() - start


def index_bytes(directory: Path) -> int:
    """What the three files of the index take."""
    return sum((directory / name).stat().st_size for name in ("tokenized.0", "table.0", "offset.0"))


def infini_gram(directory: Path) -> Any:
    """In memory, without prefetching by system calls, which slows it down there."""
    from infini_gram.engine import InfiniGramEngine  # noqa: PLC0415

    return InfiniGramEngine(
        str(directory), eos_token_id=2, load_to_ram=True,
        ds_prefetch_depth=0, sa_prefetch_depth=0, od_prefetch_depth=0,
    )  # fmt: skip


def fast_gram(directory: Path) -> Any:
    """Mapped; it has no other way."""
    from fastgram import GramEngine  # noqa: PLC0415

    return GramEngine(str(directory), eos_token_id=2)
