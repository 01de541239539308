"""Control: what a target is measured to be, trained as a code that callers then ask by.

Referee-Control's way (Sclar et al. 2022): each pair is put into a bucket by what was
measured of it, never by what was asked for, and its code stands behind the document: words
of the recipe's, or the bucket's number, ten times over. The codes are plain text: new tokens
would need embeddings that LoRA leaves at random, and any checkpoint reads a number.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from stillhouse.recipe import Control
from stillhouse.text.fragments import fragments
from stillhouse.text.words import words

_TIMES = 10

Kind = Literal["length", "extractiveness"]
KINDS: tuple[Kind, ...] = ("length", "extractiveness")


@dataclass(frozen=True, slots=True)
class Buckets:
    """A bucket of each kind, counted from 0; None where a kind is not controlled or not asked."""

    length: int | None = None
    extractiveness: int | None = None

    def code(self, control: Control) -> str:
        """The lines that ask for these buckets; empty for none."""
        asked: tuple[tuple[str, int | None, Sequence[str]], ...] = (
            ("length", self.length, control.length_codes),
            ("extractiveness", self.extractiveness, control.extractiveness_codes),
        )
        return "\n".join(
            codes[number] if codes else " ".join([name, *[str(number)] * _TIMES])
            for name, number, codes in asked
            if number is not None
        )

    def others(self, control: Control) -> list[Buckets]:
        """What could be asked for instead: the other buckets of each kind that is asked for."""
        found = []
        for kind in KINDS:
            asked = getattr(self, kind)
            if asked is not None:
                every = range(len(edges(kind, control)) + 1)
                numbers = [number for number in every if number != asked]
                found += [replace(self, **{kind: number}) for number in numbers]
        return found

    def behind(self, text: str, control: Control) -> str:
        """A document with what is asked of its target: what a student's template is filled with.

        `control` is that of the student's recipe.
        """
        code = self.code(control)
        return f"{text}\n\n{code}" if code else text


NOTHING = Buckets()


def edges(kind: Kind, control: Control) -> tuple[float, ...]:
    """The edges between a kind's buckets; none where it is not controlled."""
    return control.length if kind == "length" else control.extractiveness


def bucket(value: float, edges: Sequence[float]) -> int:
    """The bucket of a value, 0 to len(edges): a value on an edge lies above it."""
    return bisect_right(edges, value)


def value(kind: Kind, document: str, target: str, control: Control) -> float:
    """What the edges of a kind divide: words or their ratio to the document's, or coverage."""
    if kind == "extractiveness":
        return fragments(target, document).coverage
    count = len(words(target))
    return count if control.unit == "words" else count / max(1, len(words(document)))


def measured(document: str, target: str, control: Control) -> Buckets:
    """The buckets of a pair, of the kinds that are controlled."""

    def of(kind: Kind, edges: Sequence[float]) -> int | None:
        return bucket(value(kind, document, target, control), edges) if edges else None

    return Buckets(of("length", control.length), of("extractiveness", control.extractiveness))


def in_turn(place: int, control: Control) -> Buckets:
    """What the document at `place` is asked for, as `control.ask_…` say.

    In rotation each bucket of length comes with each of extractiveness before any repeats.
    """
    return Buckets(
        _asked(place, control.ask_length, control.length),
        _asked(
            place // (len(control.length) + 1), control.ask_extractiveness, control.extractiveness
        ),
    )


def _asked(place: int, asked: int | str, edges: Sequence[float]) -> int | None:
    if not edges or asked == "nothing":
        return None
    return asked if isinstance(asked, int) else place % (len(edges) + 1)
