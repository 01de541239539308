"""Opening an index and asking it."""

import os
from types import TracebackType
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt

from stillhouse_native import _core
from stillhouse_native.types import Integers


class Occurrence(NamedTuple):
    """One occurrence of an n-gram and the document around it."""

    doc: int
    offset: int
    tokens: npt.NDArray[np.uint32]


class Index:
    """An index opened by ``Index.open``: immutable, exact, safe to share between threads.

    Queries are lists (or other sequences) or integer arrays of token ids. n-grams never cross
    documents. An id that the corpus does not hold occurs 0 times. Every call
    releases the GIL while it works.
    """

    __slots__ = ("_core",)

    def __init__(self, core: _core.Index) -> None:
        """Use ``Index.open``."""
        self._core = core

    @classmethod
    def open(cls, directory: str | os.PathLike[str], *, preload: bool = False) -> Self:
        """Open a directory that ``build`` wrote.

        Args:
            directory: The index. Its files must not change while it is open.
            preload: Read the files into memory instead of mapping them: slower to open,
                no disk access and fewer cache misses later.

        Raises:
            FormatError: Files are missing, foreign, newer or corrupt.
        """
        return cls(_core.Index(os.fsencode(directory), preload))

    def close(self) -> None:
        """Free memory and mappings once running calls have ended; may be called twice."""
        self._core.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        if self._core.closed:
            return "<stillhouse_native.Index, closed>"
        return f"<stillhouse_native.Index, {self.tokens} tokens in {self.documents} documents>"

    @property
    def tokens(self) -> int:
        """Number of tokens in the corpus."""
        return self._core.tokens

    @property
    def documents(self) -> int:
        """Number of documents, empty ones included."""
        return self._core.documents

    @property
    def distinct_tokens(self) -> int:
        """Number of distinct token ids."""
        return self._core.distinct_tokens

    @property
    def tokenizer_sha256(self) -> str:
        """What ``build`` was given: SHA-256 of the tokenizer's file, or ''."""
        return self._core.tokenizer_sha256

    @property
    def metadata(self) -> dict[str, str]:
        """What ``build`` was given."""
        return dict(self._core.metadata)

    @property
    def digest(self) -> str:
        """SHA-256 of the manifest in hexadecimal; equal for equal content and options."""
        return self._core.digest

    def count(self, tokens: Integers) -> int:
        """Occurrences of an n-gram; the empty one occurs once at every token."""
        return self._core.count(tokens)

    def count_batch(self, values: Integers, offsets: Integers) -> npt.NDArray[np.uint64]:
        """``count`` of many n-grams: the i-th is ``values[offsets[i]:offsets[i + 1]]``.

        ``offsets`` starts at 0, ends at ``len(values)`` and never decreases.
        """
        return self._core.count_batch(values, offsets)

    def find(self, tokens: Integers) -> tuple[int, int]:
        """Ranks ``[lo, hi)`` of the occurrences in suffix order; (0, 0) if there are none."""
        return self._core.find(tokens)

    def match_lengths(
        self, tokens: Integers
    ) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint64]]:
        """Matching statistics of a sequence.

        Returns:
            For each position i the length of the longest prefix of ``tokens[i:]`` that
            occurs in the corpus, and how often it occurs; 0 and 0 if none does.
        """
        return self._core.match_lengths(tokens)

    def match_lengths_batch(
        self, values: Integers, offsets: Integers
    ) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint64]]:
        """``match_lengths`` of many sequences, cut as in ``count_batch``; results run through."""
        return self._core.match_lengths_batch(values, offsets)

    def doc_of_position(self, position: int) -> tuple[int, int]:
        """Document of a token of the corpus, and the token's offset in it."""
        return self._core.doc_of_position(position)

    def doc_by_rank(self, rank: int) -> Occurrence:
        """The occurrence of a rank from ``find``, with its whole document."""
        doc, offset = self._core.place_of_rank(rank)
        return Occurrence(doc, offset, self.document(doc))

    def positions(self, lo: int, hi: int) -> npt.NDArray[np.uint64]:
        """Positions in the corpus of the occurrences with ranks ``[lo, hi)``, in suffix order."""
        return self._core.positions(lo, hi)

    def document(self, document: int) -> npt.NDArray[np.uint32]:
        """The token ids of a document."""
        return self._core.document(document)

    def verify(self) -> None:
        """Compare every byte with its checksum and the arrays with each other.

        Raises:
            FormatError: Something is corrupt.
        """
        self._core.verify()
