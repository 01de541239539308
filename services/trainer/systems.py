"""The systems that are compared: models by their texts, and baselines without any."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence

from services.trainer.prompts import derived_seed
from services.trainer.statistics import first_words
from stillhouse.corpus import SourceDocument
from stillhouse.corpus.sentences import sentences

TEACHER = "teacher"
LEAD = "lead sentence"
LEAD_WORDS = "lead words"
RANDOM = "random sentence"
COPY = "copy"


def student_name(generation: int) -> str:
    """The name of a generation's student in tables."""
    return f"student gen {generation}"


BASELINES = (LEAD, LEAD_WORDS, RANDOM, COPY)
NO_SYSTEMS = frozenset({"comparison", "control", "judgements"})
"""Files that lie beside those of the systems."""


def in_order(names: Iterable[str], generations: int) -> list[str]:
    """Names of systems as tables show them: teacher, students, further models, baselines."""
    present = set(names) - NO_SYSTEMS
    ours = [TEACHER, *(student_name(number) for number in range(1, generations + 1))]
    others = further(present, generations)
    return [name for name in (*ours, *others, *BASELINES) if name in present]


def further(names: Iterable[str], generations: int) -> list[str]:
    """The names of those that are neither of the run nor a baseline."""
    ours = {TEACHER, *(student_name(number) for number in range(1, generations + 1))}
    return sorted(set(names) - ours - NO_SYSTEMS - set(BASELINES))


def baselines(documents: Sequence[SourceDocument], words: int, seed: int) -> dict[str, list[str]]:
    """The texts of each baseline by name; `words` is the length of the lead in words."""
    return {
        LEAD: lead(documents),
        LEAD_WORDS: [first_words(document.text, words) for document in documents],
        RANDOM: random_sentence(documents, seed),
        COPY: copy(documents),
    }


def lead(documents: Sequence[SourceDocument]) -> list[str]:
    """The first sentence of each document."""
    return [next(iter(sentences(document.text)), "") for document in documents]


def random_sentence(documents: Sequence[SourceDocument], seed: int) -> list[str]:
    """A sentence of each document, drawn by `seed` and the document's id."""
    return [
        random.Random(derived_seed(seed, f"sentence {one.id}")).choice(sentences(one.text) or [""])
        for one in documents
    ]


def copy(documents: Sequence[SourceDocument]) -> list[str]:
    """Each document as it is."""
    return [document.text for document in documents]
