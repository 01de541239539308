"""Opening an index and asking it."""

import os
from collections.abc import Sequence
from itertools import pairwise
from types import TracebackType
from typing import Self, SupportsIndex, TypeAlias

import numpy as np
import numpy.typing as npt

from stillhouse_native import _core
from stillhouse_native.answers import (
    Distribution,
    Distributions,
    Occurrence,
    Probabilities,
    Probability,
    Span,
)
from stillhouse_native.types import Integers

Cnf: TypeAlias = Sequence[Sequence[Integers]]
"""An AND of ORs of n-grams."""

Stop = _core.Stop
"""Ends calls early: ``Stop(timeout)`` after some seconds, ``cancel()`` from any thread at once.

A call that is given one raises ``Stopped``, within milliseconds.
"""


class Index:
    """An index opened by ``Index.open``: immutable, exact, safe to share between threads.

    Queries are lists (or other sequences) or integer arrays of token ids. n-grams never cross
    documents. An id that the corpus does not hold occurs 0 times. Every call
    releases the GIL while it works.

    A call ``name_batch(values, offsets, ...)`` answers many queries: the i-th is
    ``values[offsets[i]:offsets[i + 1]]``; ``offsets`` starts at 0, ends at ``len(values)`` and
    never decreases. ``threads`` may work on a batch (0: all of the machine); they come from one
    pool for the whole process. ``stop`` ends a call early.
    """

    __slots__ = ("_core",)

    def __init__(self, core: _core.Index) -> None:
        """Use ``Index.open``."""
        self._core = core

    @classmethod
    def open(
        cls,
        directory: str | os.PathLike[str],
        *,
        preload: bool = False,
        tokenizer_sha256: str = "",
    ) -> Self:
        """Open a directory that ``build`` wrote.

        Args:
            directory: The index. Its files must not change while it is open.
            preload: Read the files into memory instead of mapping them: slower to open,
                no disk access and fewer cache misses later.
            tokenizer_sha256: Refuse an index that was built with another tokenizer than this
                one, or without naming one; '' takes any.

        Raises:
            FormatError: Files are missing, foreign, newer or corrupt, or it is another tokenizer's.
        """
        return cls(_core.Index(os.fsencode(directory), preload, tokenizer_sha256.encode()))

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

    def count_batch(
        self, values: Integers, offsets: Integers, *, threads: int = 1, stop: Stop | None = None
    ) -> npt.NDArray[np.uint64]:
        """``count`` of many n-grams."""
        return self._core.count_batch(values, offsets, threads, stop)

    def find(self, tokens: Integers) -> tuple[int, int]:
        """Ranks ``[lo, hi)`` of the occurrences in suffix order; (0, 0) if there are none."""
        return self._core.find(tokens)

    def find_batch(
        self, values: Integers, offsets: Integers, *, threads: int = 1, stop: Stop | None = None
    ) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]]:
        """``find`` of many n-grams: all ``lo`` and all ``hi``."""
        return self._core.find_batch(values, offsets, threads, stop)

    def prob(self, tokens: Integers, token: SupportsIndex) -> Probability:
        """How likely a token, or ``END``, follows a context.

        The empty context stands before every token and before every document's end.
        """
        return Probability(*self._core.prob(tokens, token, False))

    def prob_batch(
        self,
        values: Integers,
        offsets: Integers,
        next_tokens: Integers,
        *,
        threads: int = 1,
        stop: Stop | None = None,
    ) -> Probabilities:
        """``prob`` of many contexts and one next token for each."""
        return Probabilities(
            *self._core.prob_batch(values, offsets, next_tokens, False, threads, stop)
        )

    def infgram_prob(self, tokens: Integers, token: SupportsIndex) -> Probability:
        """``prob`` of the longest suffix of the context that occurs, which may be empty."""
        return Probability(*self._core.prob(tokens, token, True))

    def infgram_prob_batch(
        self,
        values: Integers,
        offsets: Integers,
        next_tokens: Integers,
        *,
        threads: int = 1,
        stop: Stop | None = None,
    ) -> Probabilities:
        """``infgram_prob`` of many contexts and one next token for each."""
        return Probabilities(
            *self._core.prob_batch(values, offsets, next_tokens, True, threads, stop)
        )

    def ntd(self, tokens: Integers, *, top: int = 0, stop: Stop | None = None) -> Distribution:
        """All tokens that follow a context, and ``END``, with exact counts.

        Ascending by id, ``END`` first. With ``top`` only that many, the most frequent
        first (of equals the smaller id).
        """
        return Distribution(*self._core.ntd(tokens, top, False, stop))

    def ntd_batch(
        self,
        values: Integers,
        offsets: Integers,
        *,
        top: int = 0,
        threads: int = 1,
        stop: Stop | None = None,
    ) -> Distributions:
        """``ntd`` of many contexts."""
        return Distributions(*self._core.ntd_batch(values, offsets, top, False, threads, stop))

    def infgram_ntd(
        self, tokens: Integers, *, top: int = 0, stop: Stop | None = None
    ) -> Distribution:
        """``ntd`` of the longest suffix of the context that occurs, which may be empty."""
        return Distribution(*self._core.ntd(tokens, top, True, stop))

    def infgram_ntd_batch(
        self,
        values: Integers,
        offsets: Integers,
        *,
        top: int = 0,
        threads: int = 1,
        stop: Stop | None = None,
    ) -> Distributions:
        """``infgram_ntd`` of many contexts."""
        return Distributions(*self._core.ntd_batch(values, offsets, top, True, threads, stop))

    def score(self, tokens: Integers, *, stop: Stop | None = None) -> Probabilities:
        """``infgram_prob`` of every token of a sequence given all before it, in one pass."""
        return Probabilities(*self._core.score_batch(tokens, [0, len(tokens)], 1, stop))

    def score_batch(
        self, values: Integers, offsets: Integers, *, threads: int = 1, stop: Stop | None = None
    ) -> Probabilities:
        """``score`` of many sequences; results run through."""
        return Probabilities(*self._core.score_batch(values, offsets, threads, stop))

    def count_cnf(
        self,
        cnf: Cnf,
        *,
        max_diff_tokens: int = 100,
        stop: Stop | None = None,
        anchor: int | None = None,
    ) -> int:
        """Places where n-grams occur near each other: an AND of ORs.

        A clause, a list of n-grams, occurs where any of them starts. Counted are the
        occurrences of the clause that has the fewest (the first such), or of the clause
        ``anchor``, with an occurrence of every other clause in the same document, at most
        ``max_diff_tokens`` from start to start.
        """
        return self._core.count_cnf(*_flat(cnf), max_diff_tokens, stop, anchor)

    def count_cnf_batch(
        self, cnfs: Sequence[Cnf], *, max_diff_tokens: int = 100, stop: Stop | None = None
    ) -> npt.NDArray[np.uint64]:
        """``count_cnf`` of many."""
        counts = [self.count_cnf(c, max_diff_tokens=max_diff_tokens, stop=stop) for c in cnfs]
        return np.array(counts, dtype=np.uint64)

    def find_cnf(
        self,
        cnf: Cnf,
        *,
        max_diff_tokens: int = 100,
        stop: Stop | None = None,
        anchor: int | None = None,
    ) -> npt.NDArray[np.uint64]:
        """The positions in the corpus that ``count_cnf`` counts, ascending."""
        return self._core.find_cnf(*_flat(cnf), max_diff_tokens, stop, anchor)

    def find_cnf_batch(
        self, cnfs: Sequence[Cnf], *, max_diff_tokens: int = 100, stop: Stop | None = None
    ) -> list[npt.NDArray[np.uint64]]:
        """``find_cnf`` of many."""
        return [self.find_cnf(c, max_diff_tokens=max_diff_tokens, stop=stop) for c in cnfs]

    def match_lengths(
        self, tokens: Integers, *, threads: int = 1, stop: Stop | None = None
    ) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint64]]:
        """Matching statistics of a sequence.

        Returns:
            For each position i the length of the longest prefix of ``tokens[i:]`` that
            occurs in the corpus, and how often it occurs; 0 and 0 if none does.
        """
        return self._core.match_lengths(tokens, threads, stop)

    def match_lengths_batch(
        self, values: Integers, offsets: Integers, *, threads: int = 1, stop: Stop | None = None
    ) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint64]]:
        """``match_lengths`` of many sequences; results run through."""
        return self._core.match_lengths_batch(values, offsets, threads, stop)

    def attribute(
        self,
        tokens: Integers,
        *,
        min_length: int = 1,
        max_count: int | None = None,
        delimiters: Integers = (),
        word_starts: Integers | None = None,
        limit: int = 10,
        stop: Stop | None = None,
    ) -> list[Span]:
        """The maximal stretches of a sequence that occur in the corpus, and where.

        From each position the longest match, cut behind its first delimiter; with
        ``word_starts``, the ids that begin a word, only from words' starts and back to a
        word's end. Left out are those shorter than ``min_length``, those that occur more
        than ``max_count`` times, and those inside others. Each comes with the places of its
        first ``limit`` occurrences.
        """
        found = self._core.attribute(tokens, min_length, max_count, delimiters, word_starts, stop)
        spans = []
        for start, end, lo, hi in zip(*(column.tolist() for column in found), strict=True):
            positions = self.positions(lo, min(hi, lo + limit), stop=stop).tolist()
            places = np.array(
                [self.doc_of_position(at) for at in positions], dtype=np.uint64
            ).reshape(-1, 2)
            spans.append(Span(start, end, hi - lo, places[:, 0], places[:, 1]))
        return spans

    def attribute_batch(
        self,
        values: Integers,
        offsets: Integers,
        *,
        min_length: int = 1,
        max_count: int | None = None,
        delimiters: Integers = (),
        word_starts: Integers | None = None,
        limit: int = 10,
        stop: Stop | None = None,
    ) -> list[list[Span]]:
        """``attribute`` of many sequences."""
        return [
            self.attribute(
                values[start:end],
                min_length=min_length,
                max_count=max_count,
                delimiters=delimiters,
                word_starts=word_starts,
                limit=limit,
                stop=stop,
            )
            for start, end in _cuts(values, offsets)
        ]

    def search_docs(
        self, tokens: Integers, *, limit: int = 10, seed: int = 0, stop: Stop | None = None
    ) -> list[Occurrence]:
        """Up to ``limit`` different documents with an n-gram, each with one occurrence.

        Occurrences are drawn at random without replacement, the same for the same seed,
        so documents come with chances that grow with their occurrences.
        """
        docs, offsets = self._core.search_docs(tokens, limit, seed, stop)
        pairs = zip(docs.tolist(), offsets.tolist(), strict=True)
        return [Occurrence(doc, offset, self.document(doc)) for doc, offset in pairs]

    def search_docs_batch(
        self,
        values: Integers,
        offsets: Integers,
        *,
        limit: int = 10,
        seed: int = 0,
        stop: Stop | None = None,
    ) -> list[list[Occurrence]]:
        """``search_docs`` of many n-grams, each with the same seed."""
        return [
            self.search_docs(values[start:end], limit=limit, seed=seed, stop=stop)
            for start, end in _cuts(values, offsets)
        ]

    def doc_of_position(self, position: int) -> tuple[int, int]:
        """Document of a token of the corpus, and the token's offset in it."""
        return self._core.doc_of_position(position)

    def doc_by_rank(self, rank: int) -> Occurrence:
        """The occurrence of a rank from ``find``, with its whole document."""
        doc, offset = self._core.place_of_rank(rank)
        return Occurrence(doc, offset, self.document(doc))

    def doc_by_rank_batch(self, ranks: Integers) -> list[Occurrence]:
        """``doc_by_rank`` of many."""
        return [self.doc_by_rank(int(rank)) for rank in ranks]

    def doc_by_position(self, position: int) -> Occurrence:
        """The token at a position of the corpus, with its whole document."""
        doc, offset = self._core.doc_of_position(position)
        return Occurrence(doc, offset, self.document(doc))

    def doc_by_position_batch(self, positions: Integers) -> list[Occurrence]:
        """``doc_by_position`` of many."""
        return [self.doc_by_position(int(position)) for position in positions]

    def positions(self, lo: int, hi: int, *, stop: Stop | None = None) -> npt.NDArray[np.uint64]:
        """Positions in the corpus of the occurrences with ranks ``[lo, hi)``, in suffix order."""
        return self._core.positions(lo, hi, stop)

    def document(self, document: int) -> npt.NDArray[np.uint32]:
        """The token ids of a document."""
        return self._core.document(document)

    def verify(self) -> None:
        """Compare every byte with its checksum and the arrays with each other.

        Raises:
            FormatError: Something is corrupt.
        """
        self._core.verify()


def _flat(cnf: Cnf) -> tuple[list[SupportsIndex], list[int], list[int]]:
    """n-grams, where each starts, and the first n-gram of each clause."""
    values: list[SupportsIndex] = []
    offsets, clauses = [0], [0]
    for clause in cnf:
        for ngram in clause:
            values.extend(ngram)
            offsets.append(len(values))
        clauses.append(len(offsets) - 1)
    return values, offsets, clauses


def _cuts(values: Integers, offsets: Integers) -> list[tuple[int, int]]:
    """Where the queries of a batch start and end."""
    bounds = [int(offset) for offset in offsets]
    if not bounds or bounds[0] != 0 or bounds[-1] != len(values) or bounds != sorted(bounds):
        raise ValueError(
            f"offsets must start at 0, end at len(values) = {len(values)} and not decrease; "
            "pass m + 1 offsets for m queries"
        )
    return list(pairwise(bounds))
