"""What the index answers."""

from __future__ import annotations

from dataclasses import dataclass, field

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
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CountResult:
    """How often an n-gram occurs, the token ids looked up, and for text their pieces."""

    count: int
    tokens: tuple[int, ...]
    pieces: tuple[str, ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class FindResult:
    """Where an n-gram occurs: half-open intervals of ranks in suffix order."""

    count: int
    segments: tuple[tuple[int, int], ...]
    tokens: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Probability:
    """count / context_count of a token behind a context; NaN if the context doesn't occur.

    `suffix_length` tokens of the context were used; `sparse` if one outcome follows them.
    """

    probability: float
    count: int
    context_count: int
    suffix_length: int
    sparse: bool
    tokens: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Probabilities:
    """`Probability` of m queries, each column (m,)."""

    probabilities: NDArray[np.float64]
    counts: NDArray[np.uint64]
    context_counts: NDArray[np.uint64]
    suffix_lengths: NDArray[np.uint32]
    sparse: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Distribution:
    """What follows a context: k token ids (k,) uint32 and their counts (k,) uint64.

    `end_count` is how often the document ends there; `context` the ids looked up (empty
    in answers to batches); `pieces` the k pieces of vocabulary if they were asked for.
    """

    context_count: int
    suffix_length: int
    sparse: bool
    tokens: NDArray[np.uint32]
    counts: NDArray[np.uint64]
    end_count: int
    context: NDArray[np.uint32]
    pieces: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Scores:
    """Infinity-gram probabilities of the n tokens of a sequence, each column (n,)."""

    probabilities: NDArray[np.float64]
    counts: NDArray[np.uint64]
    context_counts: NDArray[np.uint64]
    suffix_lengths: NDArray[np.uint32]
    sparse: NDArray[np.bool_]
    tokens: NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class CnfHits:
    """Places where n-grams occur near each other; the first positions (k,) uint64 of them."""

    count: int
    positions: NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch [begin, end) of a query that occurs in the corpus.

    positions and documents: (k,) uint64 of its first occurrences. Characters are those of
    the text, for queries by text.
    """

    begin: int
    end: int
    count: int
    positions: NDArray[np.uint64]
    documents: NDArray[np.uint64]
    document_ids: tuple[str, ...] = ()
    begin_character: int = 0
    end_character: int = 0


@dataclass(frozen=True, slots=True)
class Attribution:
    """The maximal stretches of a query, and its token ids (n,)."""

    spans: tuple[Span, ...]
    tokens: NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class Document:
    """A stretch of a document around a place; `tokens` begin at `begin` of its `length`."""

    document: int
    id: str
    length: int
    offset: int
    begin: int
    tokens: NDArray[np.uint32]
    before: str
    match: str
    after: str


@dataclass(frozen=True, slots=True)
class SearchResult:
    """Occurrences of an n-gram and some of the documents that hold it."""

    count: int
    documents: tuple[Document, ...]
    tokens: NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class HitsPage:
    """Some hits of a query, what goes on behind them, and how many there are in all."""

    hits: tuple[Document, ...]
    next_page_token: str
    count: int


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


@dataclass(frozen=True, slots=True)
class Detokenization:
    """Token ids as text, and the piece of vocabulary behind each."""

    text: str
    pieces: tuple[str, ...]
