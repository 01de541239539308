"""The n-gram engine; the only file that knows `stillhouse_native`."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeAlias

import numpy as np
import stillhouse_native
from numpy.typing import NDArray

from stillhouse.errors import DeadlineExceeded, FailedPrecondition, InvalidArgument, NotFound
from stillhouse.index.types import Distribution, Probabilities

END = stillhouse_native.END
"""The end of a document, where a next token is asked for."""

Values: TypeAlias = NDArray[np.uint32]
Offsets: TypeAlias = NDArray[np.uint64]


class Stop(stillhouse_native.Stop):
    """Ends calls early: Stop(seconds or None), and `cancel()` from any thread."""

    def __init__(self, timeout: float | None = None) -> None:
        super().__init__(timeout)
        self._end = None if timeout is None else time.monotonic() + timeout

    def remaining(self) -> float | None:
        """Seconds that are left, 0 or more; None without a deadline."""
        return None if self._end is None else max(0.0, self._end - time.monotonic())


@dataclass(frozen=True, slots=True)
class Place:
    """A token of the corpus: its document and its offset in it."""

    document: int
    offset: int


@dataclass(frozen=True, slots=True)
class RawSpan:
    """A stretch of a query and its occurrences."""

    begin: int
    end: int
    count: int


@dataclass(frozen=True, slots=True)
class FoundPositions:
    """Positions (k,) in the corpus, ascending, all of them at hand."""

    values: NDArray[np.uint64]

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.values)

    def part(self, begin: int, end: int, stop: Stop) -> NDArray[np.uint64]:  # noqa: ARG002
        """Those with numbers [begin, end), as far as there are."""
        return self.values[begin:end]


class Engine:
    """One opened index; immutable, exact, any number of threads may ask at once."""

    remote = False
    """Whether answers come from elsewhere, so that even a short call waits."""

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

    def verify(self) -> None:
        """Compare every byte with its checksum; FailedPrecondition if something is corrupt."""
        try:
            self._index.verify()
        except stillhouse_native.FormatError as error:
            raise FailedPrecondition(f"the index is damaged: {error}") from None

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

    @property
    def distinct_tokens(self) -> int:
        """Different token ids in the corpus."""
        return self._index.distinct_tokens

    @property
    def metadata(self) -> Mapping[str, str]:
        """What was kept with the index when it was built."""
        return self._index.metadata

    # In all that follows query i is values[offsets[i]:offsets[i + 1]], and DeadlineExceeded
    # is raised where `stop` ends the call.

    def count(self, values: Values, offsets: Offsets, stop: Stop) -> NDArray[np.uint64]:
        """Occurrences (m,) of each of m n-grams."""
        with _STOPPING:
            return self._index.count_batch(values, offsets, stop=stop)

    def find(
        self, values: Values, offsets: Offsets, stop: Stop
    ) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
        """First ranks (m, s) and ranks behind the last (m, s) of m n-grams in each of s shards."""
        with _STOPPING:
            firsts, ends = self._index.find_batch(values, offsets, stop=stop)
        return firsts[:, None], ends[:, None]

    def prob(
        self,
        values: Values,
        offsets: Offsets,
        following: NDArray[np.int64],
        infgram: bool,
        stop: Stop,
    ) -> Probabilities:
        """How likely following (m,), ids or END, come after m contexts."""
        ask = self._index.infgram_prob_batch if infgram else self._index.prob_batch
        with _STOPPING:
            return Probabilities(*ask(values, offsets, following, stop=stop))

    def ntd(
        self, values: Values, offsets: Offsets, top: int, infgram: bool, stop: Stop
    ) -> list[Distribution]:
        """What follows each of m contexts: the `top` most frequent, or all if it is 0."""
        ask = self._index.infgram_ntd_batch if infgram else self._index.ntd_batch
        with _STOPPING:
            found = ask(values, offsets, top=top, stop=stop)
        bounds, starts = found.offsets.tolist(), offsets.tolist()
        return [
            _distribution(
                found.tokens[bounds[i] : bounds[i + 1]],
                found.counts[bounds[i] : bounds[i + 1]],
                (int(found.context_count[i]), int(found.suffix_length[i]), bool(found.sparse[i])),
                values[starts[i] : starts[i + 1]],
            )
            for i in range(len(bounds) - 1)
        ]

    def score(self, values: Values, offsets: Offsets, stop: Stop) -> Probabilities:
        """Infinity-gram probabilities (n,) of every token of m sequences; results run through."""
        with _STOPPING:
            return Probabilities(*self._index.score_batch(values, offsets, stop=stop))

    def match(
        self, values: Values, offsets: Offsets, stop: Stop
    ) -> tuple[NDArray[np.uint32], NDArray[np.uint64]]:
        """Longest match (n,) from each token of m sequences and its count (n,)."""
        with _STOPPING:
            return self._index.match_lengths_batch(values, offsets, stop=stop)

    def count_cnf(
        self, clauses: Sequence[Sequence[Values]], near: int, anchor: int | None, stop: Stop
    ) -> int:
        """Occurrences of clause `anchor`, or the rarest, within `near` tokens of all others."""
        with _STOPPING:
            return self._index.count_cnf(clauses, max_diff_tokens=near, stop=stop, anchor=anchor)

    def find_cnf(
        self, clauses: Sequence[Sequence[Values]], near: int, anchor: int | None, stop: Stop
    ) -> FoundPositions:
        """The positions that `count_cnf` counts, ascending."""
        with _STOPPING:
            found = self._index.find_cnf(clauses, max_diff_tokens=near, stop=stop, anchor=anchor)
        return FoundPositions(found)

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
        with _STOPPING:
            spans = self._index.attribute(
                query,
                min_length=min_length,
                max_count=max_count,
                delimiters=delimiters,
                word_starts=word_starts,
                limit=0,
                stop=stop,
            )
        return [RawSpan(span.start, span.stop, span.count) for span in spans]

    def search(self, query: Values, limit: int, seed: int, stop: Stop) -> list[Place]:
        """Up to `limit` documents with an n-gram, one occurrence of each, drawn at random."""
        with _STOPPING:
            found = self._index.search_docs(query, limit=limit, seed=seed, stop=stop)
        return [Place(one.doc, one.offset) for one in found]

    def positions(self, first: int, end: int, stop: Stop) -> NDArray[np.uint64]:
        """Positions of the ranks [first, end), in that order."""
        with _STOPPING:
            return self._index.positions(first, end, stop=stop)

    def place(self, position: int) -> Place:
        """Where a position of the corpus lies."""
        return Place(*self._index.doc_of_position(position))

    def place_of_rank(self, rank: int) -> Place:
        """Where the suffix of a rank begins."""
        return self.place(int(self._index.positions(rank, rank + 1)[0]))

    def document(self, document: int) -> Values:
        """The token ids (n,) of a document."""
        return self._index.document(document)


def _distribution(
    tokens: NDArray[np.int64],
    counts: NDArray[np.uint64],
    known: tuple[int, int, bool],
    context: Values,
) -> Distribution:
    at_end = tokens == END
    return Distribution(
        context_count=known[0],
        suffix_length=known[1],
        sparse=known[2],
        tokens=tokens[~at_end].astype(np.uint32),
        counts=counts[~at_end],
        end_count=int(counts[at_end].sum()),
        context=context,
    )


class _Stopping:
    """Around every call of the engine that can be stopped."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, stillhouse_native.Stopped):
            raise DeadlineExceeded(
                "the caller's deadline passed while the index searched"
            ) from None


_STOPPING = _Stopping()


def ragged(
    arrays: Sequence[NDArray[np.uint32]],
) -> tuple[NDArray[np.uint32], NDArray[np.uint64]]:
    """m arrays as values (n,) and offsets (m + 1,): array i is values[offsets[i]:offsets[i+1]]."""
    offsets = np.zeros(len(arrays) + 1, np.uint64)
    offsets[1:] = np.cumsum([len(array) for array in arrays], dtype=np.uint64)
    return np.concatenate([np.empty(0, np.uint32), *arrays]), offsets


def write_index(
    tokens: NDArray[Any],
    offsets: NDArray[np.uint64],
    folder: Path,
    tokenizer_sha256: str,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write the index of tokens (n,), document i being tokens[offsets[i]:offsets[i+1]].

    `folder` must be missing or empty. Raises InvalidArgument for a corpus the engine
    cannot hold, or what the file system refuses.
    """
    try:
        stillhouse_native.build(
            tokens,
            offsets,
            folder,
            threads=0,
            tokenizer_sha256=tokenizer_sha256,
            metadata=metadata,
        )
    except (ValueError, stillhouse_native.BuildError) as error:
        raise InvalidArgument("out", f"no index can be written to {folder}: {error}") from None
