"""Building indexes from lists of documents, and the corpora that break sorters."""

from collections.abc import Iterable, Sequence
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt
import stillhouse_native


def scratch() -> TemporaryDirectory[str]:
    """A directory for thousands of small builds: in memory, where syncing costs nothing."""
    return TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None)


def ragged(sequences: Iterable[Sequence[int]]) -> tuple[list[int], list[int]]:
    """Values and offsets of many sequences."""
    values: list[int] = []
    offsets = [0]
    for sequence in sequences:
        values.extend(sequence)
        offsets.append(len(values))
    return values, offsets


def index_of(
    documents: Iterable[Sequence[int]],
    directory: Path,
    *,
    dtype: type[np.integer[Any]] = np.uint32,
    preload: bool = False,
) -> stillhouse_native.Index:
    """Build into a new directory and open."""
    values, offsets = ragged(documents)
    stillhouse_native.build(np.array(values, dtype=dtype), offsets, directory)
    return stillhouse_native.Index.open(directory, preload=preload)


def proves_suffix_order(
    tokens: npt.NDArray[Any], offsets: Sequence[int], positions: npt.NDArray[np.uint64]
) -> bool:
    """Whether positions are all tokens in document-bounded suffix order, in linear time.

    Neighbours must agree on their first tokens, or on the ranks of what follows;
    the end of a document comes before any token, and ends are ordered by position.
    """
    n, documents = len(tokens), len(offsets) - 1
    if sorted(positions.tolist()) != list(range(n)):
        return False
    rank_after = np.empty(n, dtype=np.int64)  # of the suffix one token later
    rank = np.empty(n, dtype=np.int64)
    rank[positions] = np.arange(n) + documents
    rank_after[:-1] = rank[1:]
    for d in range(documents):
        if offsets[d + 1] > offsets[d]:
            rank_after[offsets[d + 1] - 1] = d
    first = tokens[positions].astype(np.int64)
    rest = rank_after[positions]
    step = np.diff(first)
    return bool(np.all((step > 0) | ((step == 0) & (np.diff(rest) > 0))))


def fibonacci(length: int) -> list[int]:
    """Prefix of the Fibonacci word: few distinct factors, long repeats."""
    a, b = [0], [0, 1]
    while len(b) < length:
        a, b = b, b + a
    return b[:length]


def thue_morse(length: int) -> list[int]:
    """Prefix of the Thue-Morse word: no overlaps, many squares."""
    return [i.bit_count() & 1 for i in range(length)]


def de_bruijn(alphabet: int, order: int) -> list[int]:
    """Every word of a length once: Lyndon words of dividing lengths in order."""
    words = (
        w
        for n in range(1, order + 1)
        if order % n == 0
        for w in product(range(alphabet), repeat=n)
        if all(w < w[i:] + w[:i] for i in range(1, n))
    )
    return [symbol for word in sorted(words) for symbol in word]
