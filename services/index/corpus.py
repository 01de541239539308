"""What an index is asked, whether its files are here or its shards elsewhere.

`engine.Engine` and `excerpts.LocalDocuments` answer from files, `shards` by asking other
index services. Whatever is asked, query i is values[offsets[i]:offsets[i + 1]], and
DeadlineExceeded is raised where `stop` ends the call.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from services.index.engine import Offsets, RawSpan, Stop, Values
from stillhouse.index.types import Distribution, Document, Probabilities

Clauses: TypeAlias = Sequence[Sequence[Values]]
"""Clauses of n-grams by ids."""

Numbers: TypeAlias = NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Excerpt:
    """How much is shown: tokens on each side of a match of `match_length` tokens."""

    context: int
    match_length: int = 0


@dataclass(frozen=True, slots=True)
class Occurrences:
    """Positions (k,) in the corpus, their documents (k,) and those documents' ids, k or none."""

    positions: Numbers
    documents: Numbers
    ids: tuple[str, ...] = ()


class Positions(Protocol):
    """Positions in the corpus, ascending, read part by part."""

    @property
    def count(self) -> int:
        """How many there are."""

    def part(self, begin: int, end: int, stop: Stop) -> Numbers:
        """Those with numbers [begin, end), as far as there are."""


class Ngrams(Protocol):
    """Counting, matching and what follows."""

    @property
    def remote(self) -> bool:
        """Whether answers come from elsewhere, so that even a short call waits."""

    @property
    def tokens(self) -> int:
        """Tokens in the corpus."""

    @property
    def documents(self) -> int:
        """Documents in the corpus."""

    @property
    def tokenizer_sha256(self) -> str:
        """SHA-256 of the tokenizer's file, hex; empty if built from bare ids."""

    @property
    def digest(self) -> str:
        """Changes with the content; hex."""

    @property
    def distinct_tokens(self) -> int:
        """Different token ids in the corpus."""

    def count(self, values: Values, offsets: Offsets, stop: Stop) -> Numbers:
        """Occurrences (m,) of each of m n-grams."""

    def find(self, values: Values, offsets: Offsets, stop: Stop) -> tuple[Numbers, Numbers]:
        """First ranks (m, s) and ranks behind the last (m, s) of m n-grams in each of s shards."""

    def prob(
        self,
        values: Values,
        offsets: Offsets,
        following: NDArray[np.int64],
        infgram: bool,
        stop: Stop,
    ) -> Probabilities:
        """How likely following (m,), ids or END, come after m contexts."""

    def ntd(
        self, values: Values, offsets: Offsets, top: int, infgram: bool, stop: Stop
    ) -> list[Distribution]:
        """What follows each of m contexts: the `top` most frequent, or all if it is 0."""

    def score(self, values: Values, offsets: Offsets, stop: Stop) -> Probabilities:
        """Infinity-gram probabilities (n,) of every token of m sequences; results run through."""

    def match(
        self, values: Values, offsets: Offsets, stop: Stop
    ) -> tuple[NDArray[np.uint32], Numbers]:
        """Longest match (n,) from each token of m sequences and its count (n,)."""

    def count_cnf(self, clauses: Clauses, near: int, anchor: int | None, stop: Stop) -> int:
        """Occurrences of clause `anchor`, or the rarest, within `near` tokens of all others."""

    def find_cnf(self, clauses: Clauses, near: int, anchor: int | None, stop: Stop) -> Positions:
        """The positions that `count_cnf` counts."""

    def attribute(
        self,
        query: Values,
        min_length: int,
        max_count: int | None,
        delimiters: Values,
        word_starts: Values | None,
        stop: Stop,
    ) -> list[RawSpan]:
        """The maximal stretches of a query."""


class Documents(Protocol):
    """The documents around ranks and positions, which all lie inside the corpus."""

    def at_ranks(self, ranks: Numbers, how: Excerpt, stop: Stop) -> list[Document]:
        """The document of each rank (k,)."""

    def at_positions(self, positions: Numbers, how: Excerpt, stop: Stop) -> list[Document]:
        """The document of each position (k,)."""

    def draw(
        self, query: Values, limit: int, seed: int, how: Excerpt, stop: Stop
    ) -> list[Document]:
        """Up to `limit` documents with an n-gram, one occurrence of each, drawn at random."""

    def occurrences(
        self, values: Values, offsets: Offsets, limit: int, stop: Stop
    ) -> list[Occurrences]:
        """The first `limit` occurrences of each of m n-grams, in rank order."""
