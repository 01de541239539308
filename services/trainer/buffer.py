"""The training buffer: accepted samples, none a near-duplicate of another.

Verdicts come in the order of their batches, so that which of two near-duplicates is
kept does not depend on who was faster.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from datasketch import MinHash, MinHashLSH

from stillhouse.filter.types import Candidate, Verdict

NEAR_DUPLICATE = "near_duplicate"
_PERMUTATIONS = 128
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Judged:
    """A candidate with its final verdict."""

    candidate: Candidate
    verdict: Verdict


@dataclass
class TrainingBuffer:
    """Takes judged batches in order; `rows` holds every candidate with its final verdict.

    `threshold` is the Jaccard similarity of word trigrams from which on two texts
    count as near-duplicates, estimated by MinHash and checked exactly.
    """

    threshold: float
    rows: list[Judged] = field(default_factory=list)
    _shingles: dict[str, frozenset[str]] = field(default_factory=dict)
    _index: MinHashLSH = field(init=False)

    def __post_init__(self) -> None:
        # A lower bar than the threshold in the estimate, since the exact check follows.
        self._index = MinHashLSH(threshold=max(0.1, self.threshold - 0.2), num_perm=_PERMUTATIONS)

    @property
    def accepted(self) -> list[Judged]:
        """The samples that train the student, in order."""
        return [row for row in self.rows if row.verdict.accepted]

    def add(self, candidates: Sequence[Candidate], verdicts: Sequence[Verdict]) -> int:
        """Take one batch; returns how many of it were accepted."""
        taken = 0
        for candidate, verdict in zip(candidates, verdicts, strict=True):
            final = self._final(candidate, verdict)
            self.rows.append(Judged(candidate, final))
            taken += final.accepted
        return taken

    def _final(self, candidate: Candidate, verdict: Verdict) -> Verdict:
        if not verdict.accepted:
            return verdict
        shingles = word_trigrams(candidate.text)
        signature = _signature(shingles)
        nearest = max(
            (jaccard(shingles, self._shingles[key]) for key in self._index.query(signature)),
            default=0.0,
        )
        scores = {**verdict.scores, f"{NEAR_DUPLICATE}.similarity": nearest}
        if nearest >= self.threshold:
            reason = f"{NEAR_DUPLICATE}.in_buffer"
            return Verdict(candidate.id, False, NEAR_DUPLICATE, reason, scores)
        self._index.insert(candidate.id, signature)
        self._shingles[candidate.id] = shingles
        return Verdict(candidate.id, True, scores=scores)


def word_trigrams(text: str) -> frozenset[str]:
    """Lower-cased word trigrams; a shorter text is one gram."""
    words = _WORD.findall(text.lower())
    grams = {" ".join(words[i : i + 3]) for i in range(max(1, len(words) - 2))}
    return frozenset(grams)


def jaccard(one: frozenset[str], other: frozenset[str]) -> float:
    """Size of the intersection over size of the union."""
    return len(one & other) / len(one | other)


def _signature(shingles: frozenset[str]) -> MinHash:
    signature = MinHash(num_perm=_PERMUTATIONS, seed=1)
    signature.update_batch([shingle.encode() for shingle in sorted(shingles)])
    return signature
