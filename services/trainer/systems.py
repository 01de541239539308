"""The systems that are compared: models by their texts, and two baselines without any."""

from __future__ import annotations

from collections.abc import Sequence

from stillhouse.corpus import SourceDocument
from stillhouse.corpus.sentences import sentences

TEACHER = "teacher"
LEAD = "lead sentence"
COPY = "copy"


def student_name(generation: int) -> str:
    """The name of a generation's student in tables."""
    return f"student gen {generation}"


def lead(documents: Sequence[SourceDocument]) -> list[str]:
    """The first sentence of each document."""
    return [next(iter(sentences(document.text)), "") for document in documents]


def copy(documents: Sequence[SourceDocument]) -> list[str]:
    """Each document as it is."""
    return [document.text for document in documents]
