"""How diverse a generation's samples are, beside those of the first."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import pyarrow.parquet as pq

from services.trainer.prompts import derived_seed
from stillhouse.text.diversity import SEGMENT, distinct, msttr
from stillhouse.text.words import words
from stillhouse.trainer.types import Diversity

_SAMPLES = 2000  # of each at most: the figures are stable by then


def compare(first: Path, now: Path, seed: int) -> Diversity:
    """The figures of two DATASET files over equally many summaries of each, drawn by `seed`."""
    sizes = [pq.read_metadata(path).num_rows for path in (first, now)]
    count = min(*sizes, _SAMPLES)
    one, other = (
        [words(text) for text in _drawn(path, size, count, seed)]
        for path, size in zip((first, now), sizes, strict=True)
    )
    return Diversity(
        samples=count,
        distinct_2=distinct(other, 2),
        msttr=msttr(other, SEGMENT),
        first_distinct_2=distinct(one, 2),
        first_msttr=msttr(one, SEGMENT),
    )


def _drawn(path: Path, size: int, count: int, seed: int) -> Sequence[str]:
    """`count` of the `size` summaries in a file, in their order; a row group at a time."""
    wanted = set(random.Random(derived_seed(seed, "diversity")).sample(range(size), count))
    file = pq.ParquetFile(path)
    taken: list[str] = []
    start = 0
    for group in range(file.num_row_groups):
        texts = file.read_row_group(group, columns=["summary"])["summary"].to_pylist()
        taken += [text for place, text in enumerate(texts, start) if place in wanted]
        start += len(texts)
    return taken
