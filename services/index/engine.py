"""The n-gram engine; the only file that knows `stillhouse_native`."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Self

import numpy as np
import stillhouse_native
from numpy.typing import NDArray

from stillhouse.errors import FailedPrecondition, InvalidArgument, NotFound


class Engine:
    """One opened index; immutable, exact, any number of threads may ask at once."""

    def __init__(self, index: stillhouse_native.Index) -> None:
        self._index = index

    @classmethod
    def open(cls, folder: Path, preload: bool) -> Self:
        """Map the index in `folder`, or read it into memory.

        Raises NotFound if there is no folder, FailedPrecondition if its files are
        missing, foreign, newer or damaged.
        """
        if not folder.is_dir():
            raise NotFound(f"no index folder {folder}; `stillhouse index build` makes one")
        try:
            return cls(stillhouse_native.Index.open(folder, preload=preload))
        except stillhouse_native.FormatError as error:
            raise FailedPrecondition(f"{folder} holds no readable index: {error}") from None

    @property
    def tokens(self) -> int:
        """Tokens in the corpus."""
        return self._index.tokens

    @property
    def documents(self) -> int:
        """Documents in the corpus."""
        return self._index.documents

    @property
    def tokenizer_sha256(self) -> str:
        """SHA-256 of the tokenizer's file, hex; empty if built from bare ids."""
        return self._index.tokenizer_sha256

    @property
    def digest(self) -> str:
        """SHA-256 over the index's manifest, hex."""
        return self._index.digest

    def count(self, query: NDArray[np.uint32]) -> int:
        """Occurrences of the n-gram (n,)."""
        return self._index.count(query)

    def count_batch(self, queries: Sequence[NDArray[np.uint32]]) -> NDArray[np.uint64]:
        """Occurrences (m,) of each of m n-grams."""
        return self._index.count_batch(*ragged(queries))

    def match(self, query: NDArray[np.uint32]) -> tuple[NDArray[np.uint32], NDArray[np.uint64]]:
        """Lengths (n,) and counts (n,) of the longest match from each position of (n,)."""
        return self._index.match_lengths(query)

    def match_batch(
        self, queries: Sequence[NDArray[np.uint32]]
    ) -> list[tuple[NDArray[np.uint32], NDArray[np.uint64]]]:
        """`match` of each query."""
        values, offsets = ragged(queries)
        lengths, counts = self._index.match_lengths_batch(values, offsets)
        bounds = pairwise(offsets.tolist())
        return [(lengths[start:end], counts[start:end]) for start, end in bounds]


def ragged(
    arrays: Sequence[NDArray[np.uint32]],
) -> tuple[NDArray[np.uint32], NDArray[np.uint64]]:
    """m arrays as values (n,) and offsets (m + 1,): array i is values[offsets[i]:offsets[i+1]]."""
    offsets = np.zeros(len(arrays) + 1, np.uint64)
    offsets[1:] = np.cumsum([len(array) for array in arrays], dtype=np.uint64)
    return np.concatenate([np.empty(0, np.uint32), *arrays]), offsets


def write_index(
    tokens: NDArray[Any], offsets: NDArray[np.uint64], folder: Path, tokenizer_sha256: str
) -> None:
    """Write the index of tokens (n,), document i being tokens[offsets[i]:offsets[i+1]].

    `folder` must be missing or empty. Raises InvalidArgument for a corpus the engine
    cannot hold, or what the file system refuses.
    """
    try:
        stillhouse_native.build(tokens, offsets, folder, tokenizer_sha256=tokenizer_sha256)
    except (ValueError, stillhouse_native.BuildError) as error:
        raise InvalidArgument("out", f"no index can be written to {folder}: {error}") from None
