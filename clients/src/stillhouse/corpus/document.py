"""A document as runs and indexes read it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SourceDocument:
    """A text, its id within the corpus, and a human reference, empty if there is none."""

    id: str
    text: str
    reference: str = ""
