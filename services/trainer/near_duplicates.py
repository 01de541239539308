"""Near-duplicates among the samples of a generation.

MinHash (Broder 1997) with locality-sensitive bands proposes which earlier texts may be
alike, the Jaccard similarity of the word trigrams decides. Bands and texts lie on disk but
for those since the last flush, so that memory does not grow with the samples.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from datasketch import MinHash, MinHashLSH
from numpy.typing import NDArray

from services.trainer.postings import Keys, Postings
from services.trainer.textstore import TextStore
from stillhouse.filter.types import Candidate, Verdict
from stillhouse.text.words import fold, marks

NEAR_DUPLICATE = "near_duplicate"

_PERMUTATIONS = 128
_EMPTY = MinHash(num_perm=_PERMUTATIONS, seed=1)  # drawing the permutations is the dear part
_REMEMBERED = 16_384  # texts whose trigrams stay in memory
_ASCII_WORD = re.compile(r"\w+", re.ASCII)
# Odd constants of Knuth's and Steele's multiplicative hashes: they only have to spread.
_SPREAD, _STIR = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9)


class NearDuplicates:
    """The accepted texts so far.

    `threshold` is the Jaccard similarity of word trigrams from which on two texts count as
    near-duplicates. `state` is what the last `flush` to `folder` returned; without any it
    begins empty. Whoever never flushes needs no folder, and has everything in memory.
    """

    def __init__(
        self,
        threshold: float,
        folder: Path = Path(),
        state: Mapping[str, Any] | None = None,
    ) -> None:
        self._threshold = threshold
        self._bands = _Bands(threshold)
        state = state or {"rows": 0, "segments": ()}
        self._texts = TextStore(folder, state["rows"])
        self._postings = Postings(folder, state["segments"])
        self._trigrams = lru_cache(_REMEMBERED)(lambda row: word_trigrams(self._texts[row]))

    def judge(self, candidates: Sequence[Candidate], verdicts: Sequence[Verdict]) -> list[Verdict]:
        """The final verdicts of a batch; what is accepted is compared with from then on."""
        return [self._final(*one) for one in zip(candidates, verdicts, strict=True)]

    def flush(self) -> dict[str, Any]:
        """Write everything to disk; returns the state (JSON) to open it with again."""
        return {"rows": self._texts.flush(), "segments": list(self._postings.flush())}

    def tidy(self) -> None:
        """Remove what the last flush replaced, once its state is safe."""
        self._postings.tidy()

    def _final(self, candidate: Candidate, verdict: Verdict) -> Verdict:
        if not verdict.accepted:
            return verdict
        trigrams = word_trigrams(candidate.text)
        keys = self._bands.keys(trigrams)
        nearest = max(
            (jaccard(trigrams, self._trigrams(row)) for row in self._postings.find(keys)),
            default=0.0,
        )
        scores = {**verdict.scores, f"{NEAR_DUPLICATE}.similarity": nearest}
        if nearest >= self._threshold:
            reason = f"{NEAR_DUPLICATE}.in_buffer"
            return Verdict(candidate.id, False, NEAR_DUPLICATE, reason, scores)
        self._postings.add(keys, len(self._texts))
        self._texts.append(candidate.text)
        return Verdict(candidate.id, True, scores=scores)


class _Bands:
    """The bands of a signature as keys: equal bands have equal keys, others hardly ever."""

    def __init__(self, threshold: float) -> None:
        # A lower bar than the threshold in the estimate, since the exact check follows.
        chosen = MinHashLSH(threshold=max(0.1, threshold - 0.2), num_perm=_PERMUTATIONS)
        self._shape = (chosen.b, chosen.r)
        self._numbers = np.arange(chosen.b, dtype=np.uint64)

    def keys(self, trigrams: frozenset[str]) -> Keys:
        """One key a band."""
        count, width = self._shape
        bands = _signature(trigrams)[: count * width].reshape(self._shape).astype(np.uint64)
        keys = self._numbers
        for place in range(width):  # uint64 wraps round, which is what is wanted
            keys = (keys + bands[:, place] + np.uint64(1)) * _SPREAD
            keys ^= keys >> np.uint64(29)
        return (keys * _STIR) ^ (keys >> np.uint64(32))


def word_trigrams(text: str) -> frozenset[str]:
    """Folded word trigrams; a shorter text is one gram."""
    folded = fold(text)
    words = (_ASCII_WORD if folded.isascii() else _word()).findall(folded)
    grams = {" ".join(words[i : i + 3]) for i in range(max(1, len(words) - 2))}
    return frozenset(grams)


@cache
def _word() -> re.Pattern[str]:
    return re.compile(rf"\w+(?:[{marks()}]+\w*)*")


def jaccard(one: frozenset[str], other: frozenset[str]) -> float:
    """Size of the intersection over size of the union."""
    return len(one & other) / len(one | other)


def _signature(trigrams: frozenset[str]) -> NDArray[np.uint32]:
    signature = MinHash(
        num_perm=_PERMUTATIONS, permutations=_EMPTY.permutations, scheme=_EMPTY.scheme
    )
    signature.update_batch([one.encode() for one in sorted(trigrams)])
    values: NDArray[np.uint32] = signature.hashvalues
    return values
