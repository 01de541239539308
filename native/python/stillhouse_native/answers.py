"""What calls answer."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from stillhouse_native import _core

END = _core.END
"""The end of a document, where a next token is asked for or told: -1, which is no token id."""


class Occurrence(NamedTuple):
    """One occurrence of an n-gram and the document around it."""

    doc: int
    offset: int
    tokens: npt.NDArray[np.uint32]


class Probability(NamedTuple):
    """How likely a token, or ``END``, follows a context.

    ``probability`` is ``count / context_count``, nan where the context doesn't occur.
    ``suffix_length`` tokens of the context were used; ``sparse`` tells that one single kind
    of token (or ``END``) follows them.
    """

    probability: float
    count: int  # type: ignore[assignment]
    context_count: int
    suffix_length: int
    sparse: bool


class Probabilities(NamedTuple):
    """``Probability`` of many, field by field."""

    probability: npt.NDArray[np.float64]
    count: npt.NDArray[np.uint64]  # type: ignore[assignment]
    context_count: npt.NDArray[np.uint64]
    suffix_length: npt.NDArray[np.uint32]
    sparse: npt.NDArray[np.bool_]


class Distribution(NamedTuple):
    """All that follows a context: token ids ascending with ``END`` first, and their counts."""

    tokens: npt.NDArray[np.int64]
    counts: npt.NDArray[np.uint64]
    context_count: int
    suffix_length: int
    sparse: bool


class Distributions(NamedTuple):
    """Many of them: the i-th has ``tokens[offsets[i]:offsets[i + 1]]``, and ``counts`` alike."""

    tokens: npt.NDArray[np.int64]
    counts: npt.NDArray[np.uint64]
    offsets: npt.NDArray[np.uint64]
    context_count: npt.NDArray[np.uint64]
    suffix_length: npt.NDArray[np.uint64]
    sparse: npt.NDArray[np.bool_]


class Span(NamedTuple):
    """A stretch ``[start, stop)`` of a sequence that occurs in the corpus.

    ``docs`` and ``offsets`` are the places of its first occurrences in suffix order.
    """

    start: int
    stop: int
    count: int  # type: ignore[assignment]
    docs: npt.NDArray[np.uint64]
    offsets: npt.NDArray[np.uint64]
