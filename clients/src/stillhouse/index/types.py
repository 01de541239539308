"""What the index answers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class IndexInfo:
    """An index of the server; `digest` changes with its content."""

    name: str
    ready: bool
    tokens: int
    documents: int
    tokenizer_sha256: str
    digest: str


@dataclass(frozen=True, slots=True)
class CountResult:
    """How often an n-gram occurs, and the token ids that were looked up."""

    count: int
    tokens: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class MatchStatistics:
    """Matching statistics of a sequence of n tokens.

    lengths: (n,) uint32, longest match in the corpus starting at each position.
    counts:  (n,) uint64, occurrences of that match; 0 where the length is 0.
    tokens:  (n,) uint32, the ids that were looked up.
    """

    lengths: NDArray[np.uint32]
    counts: NDArray[np.uint64]
    tokens: NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class Tokenization:
    """Token ids of a text and the piece of vocabulary behind each."""

    ids: tuple[int, ...]
    pieces: tuple[str, ...]
