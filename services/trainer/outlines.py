"""The sentences of a document as outlines: what may be left out of a compression, and what not."""

from __future__ import annotations

import re

from stillhouse.corpus.sentences import sentences
from stillhouse.generator.types import Outline, Step
from stillhouse.recipe import Compression
from stillhouse.text.weights import AUXILIARY, TURNING, is_key, standard
from stillhouse.text.words import words

FILLERS = ("a", "an", "the")
_LONGEST = 80  # steps of a passage; more is no sentence
_SYMBOLS = re.compile(r"[=<>^|\\$*/+~]|^\W+$")  # of formulas, of which nothing can be left out


def outline_of(text: str, settings: Compression | None) -> Outline | None:
    """The outline of a document's sentences; None where none has words enough, or none is asked.

    A step weighs as many key words as it has; one that holds a word that turns a meaning is
    fixed (`stillhouse.text.weights`).
    """
    if settings is None:
        return None
    every = map(_steps, sentences(text))
    passages = tuple(
        one for one in every if len(one) <= _LONGEST and _weight(one) >= settings.least
    )[: settings.sentences or None]
    if not passages:
        return None
    return Outline(passages, FILLERS, settings.skip, settings.run, settings.least)


def _steps(sentence: str) -> tuple[Step, ...]:
    return tuple(map(_step, _chunks(sentence)))


def _chunks(sentence: str) -> list[str]:
    """Its words as written; what stands in brackets or quotes is one of them."""
    chunks: list[str] = []
    open_ = False
    for word in sentence.split():
        chunks[-1:] = [f"{chunks[-1]} {word}"] if open_ else [*chunks[-1:], word]
        open_ = not _balanced(chunks[-1])
    return chunks


def _balanced(text: str) -> bool:
    pairs = all(text.count(one) == text.count(other) for one, other in ("()", "[]", "{}"))
    return pairs and text.count('"') % 2 == 0 and text.count("`") % 2 == 0


def _step(chunk: str) -> Step:
    inside = [standard(word) for word in words(chunk)]
    return Step(
        chunk,
        weight=sum(map(is_key, inside)),
        fixed=any(word in TURNING for word in inside) or _SYMBOLS.search(chunk) is not None,
        loose=chunk.lower() in FILLERS,
        closes=chunk.endswith((",", ";", ":")),
        binds=any(word in AUXILIARY for word in inside),
    )


def _weight(passage: tuple[Step, ...]) -> int:
    return sum(step.weight for step in passage)
