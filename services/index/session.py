"""A context that grows, and what follows it after each step."""

from __future__ import annotations

import numpy as np

from services.index.corpus import Ngrams
from services.index.engine import Stop, Values
from stillhouse.index.types import Distribution


class Session:
    """A growing context that keeps no more of it than can matter for what follows.

    Asks anew for the last suffix that occurred and what was appended; a session of the
    engine's own, which only narrows, may take its place.
    """

    def __init__(self, engine: Ngrams) -> None:
        self._engine = engine
        self._suffix = np.empty(0, np.uint32)

    def reset(self) -> None:
        """Forget the context."""
        self._suffix = np.empty(0, np.uint32)

    def extend(self, tokens: Values, top: int, stop: Stop) -> Distribution:
        """Append tokens (n,), and what follows the longest suffix that occurs."""
        context = np.concatenate([self._suffix, tokens])
        offsets = np.array([0, len(context)], np.uint64)
        found = self._engine.ntd(context, offsets, top, True, stop)[0]
        # A longer suffix that doesn't occur now never will with more behind it.
        self._suffix = context[len(context) - found.suffix_length :]
        return found
