"""The pairs that train a student, and those of them that are kept to watch it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from stillhouse.errors import FailedPrecondition


@dataclass(frozen=True, slots=True)
class Pair:
    """A prompt and the target that the student shall answer.

    `source` names the document behind it, `bucket` what its target was measured to be
    (`stillhouse.control`); both are for splitting and balancing alone.
    """

    prompt: str
    target: str
    source: str = ""
    bucket: str = ""


def split(pairs: Sequence[Pair], share: float, seed: int) -> tuple[list[Pair], list[Pair]]:
    """Pairs to train on and pairs to watch, both in the order given.

    Whole sources are watched, `share` of them and at least one, chosen by a hash of seed
    and source, so that no watched target was seen beside another of its document.
    FailedPrecondition if there are not two sources to divide.
    """
    if not share:
        return list(pairs), []
    sources = sorted({pair.source for pair in pairs}, key=lambda one: (_rank(seed, one), one))
    if len(sources) < 2:
        raise FailedPrecondition(
            f"student.validation keeps whole documents, and the samples come from {len(sources)}: "
            "set it to 0, or collect more"
        )
    count = min(len(sources) - 1, max(1, round(share * len(sources))))
    watched = set(sources[:count])
    return (
        [pair for pair in pairs if pair.source not in watched],
        [pair for pair in pairs if pair.source in watched],
    )


def _rank(seed: int, source: str) -> bytes:
    return hashlib.sha256(f"{seed}\0{source}".encode()).digest()
