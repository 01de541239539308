"""Writing along passages: a text takes the words of one passage in its order and leaves others out.

Compression by deletion (Knight and Marcu 2002, section 1) as a constraint on decoding, beside
the clauses of NeuroLogic: what a weak model may say next are the next words of a passage, or
light words of its own, so that it can't change who does what to whom.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stillhouse.errors import InvalidArgument
from stillhouse.generator.types import Decoding, Outline, Step

if TYPE_CHECKING:  # at run time rpc.py, which only checks outlines, would need transformers
    from services.checkpoints.vocabulary import Vocabulary

_PERIOD = b"."
_WORD = re.compile(r"\w+")
_LONGEST = 128  # steps of a passage: the ways to read it grow with their square


class Thread(NamedTuple):
    """One way to read a text: which step of which passage it took last (-1: none yet), what it
    left out since the last step of weight, the weight and the run of neighbours taken so far,
    the filler behind it; `rest` is what is left to write of the word under way.
    """

    passage: int
    place: int = -1
    left_out: int = 0
    weight: int = 0
    run: int = 0
    filler: bytes = b""
    over: bool = False
    rest: bytes = b""

    @property
    def begun(self) -> bool:
        """Whether a word was written."""
        return self.place >= 0 or bool(self.filler)


Reading = frozenset[Thread]
"""All ways to read a text so far; none: it strays from every passage."""


class Compression:
    """An outline over a vocabulary; shared by all texts that are written along it."""

    def __init__(self, outline: Outline, vocabulary: Vocabulary) -> None:
        self._outline = outline
        self._vocabulary = vocabulary
        self._fillers = tuple(filler.encode() for filler in outline.fillers)
        self._written = [[_forms(step.text) for step in passage] for passage in outline.passages]
        self._last_fixed = [
            max((i for i, step in enumerate(passage) if step.fixed), default=-1)
            for passage in outline.passages
        ]
        self._spelled: dict[bytes, NDArray[np.int64]] = {}
        self._options: dict[Thread, list[tuple[bytes, Thread]]] = {}
        self._allowed: dict[Reading, NDArray[np.int64]] = {}
        self._advanced: dict[tuple[Reading, int], Reading] = {}
        starts = map(Thread, range(len(outline.passages)))
        self.start: Reading = frozenset(one for one in starts if self._next(one))

    def advance(self, reading: Reading, token: int) -> Reading:
        """The readings that are left with one more token."""
        key = (reading, token)
        found = self._advanced.get(key)
        if found is None:
            piece = self._vocabulary.piece(token)
            after = {one for thread in reading for one in self._read(thread, piece)}
            found = self._advanced[key] = frozenset(after)
        return found

    def allowed(self, reading: Reading) -> NDArray[np.int64]:
        """The tokens that leave a reading, ascending; ends where one of them is complete."""
        found = self._allowed.get(reading)
        if found is None:
            tokens = [self._next_tokens(thread) for thread in reading]
            found = np.unique(np.concatenate(tokens)) if tokens else np.zeros(0, np.int64)
            self._allowed[reading] = found
        return found

    def _next_tokens(self, thread: Thread) -> NDArray[np.int64]:
        if thread.rest:
            return self._spellings(thread.rest)
        if thread.over:
            return np.array(sorted(self._vocabulary.ends), np.int64)
        ways = [self._spellings(text) for text, _ in self._next(thread)]
        return np.concatenate(ways) if ways else np.zeros(0, np.int64)

    def holds(self, text: str) -> bool:
        """Whether a finished text is a compression of one of the passages."""
        reading = self.start
        for piece in re.findall(rb"\s*\S+", text.strip().encode()):
            reading = frozenset(one for thread in reading for one in self._read(thread, piece))
        return any(thread.over and not thread.rest for thread in reading)

    def _read(self, thread: Thread, piece: bytes) -> Iterator[Thread]:
        if not piece:
            yield thread
            return
        ways = [(thread.rest, thread)] if thread.rest else self._next(thread)
        for text, after in ways:
            if text.startswith(piece):
                yield after._replace(rest=text[len(piece) :])
            elif piece.startswith(text):
                yield from self._read(after._replace(rest=b""), piece[len(text) :])

    def _next(self, thread: Thread) -> list[tuple[bytes, Thread]]:
        """What may be written at the end of a word, and where that leads."""
        found = self._options.get(thread)
        if found is not None:
            return found
        ways: dict[Thread, list[tuple[bytes, Thread]]] = {}
        open_ends = [thread]  # a stack of its own: a passage may be longer than Python's
        while open_ends:
            one = open_ends[-1]
            if one not in ways:
                ways[one] = list(self._find_next(one))
                open_ends += [after for _, after in ways[one] if self._can_end(after) is None]
            else:
                open_ends.pop()
                self._options[one] = [way for way in ways[one] if self._can_end(way[1])]
        return self._options[thread]

    def _can_end(self, thread: Thread) -> bool | None:
        """Whether a text can come to its end from there, length aside; None: not known yet."""
        if thread.over or self._complete(thread):
            return True
        options = self._options.get(thread)
        return None if options is None else bool(options)

    def _find_next(self, thread: Thread) -> Iterator[tuple[bytes, Thread]]:
        if thread.over:
            return
        outline = self._outline
        if self._complete(thread):
            yield _PERIOD, thread._replace(over=True)
        if not thread.filler:
            for filler in self._fillers:
                yield from _behind(thread, (filler,), thread._replace(filler=filler))
        passage, left_out = outline.passages[thread.passage], thread.left_out
        gap: list[Step] = []
        last = passage[thread.place] if thread.place >= 0 else None
        for place in range(thread.place + 1, len(passage)):
            step = passage[place]
            size = _size(step.text)
            run = thread.run + size if last and not gap else min(size, outline.run)
            stands_in = not thread.filler or _other_words(gap, thread.filler)
            if run <= outline.run and stands_in and _may_follow(last, gap, step):
                weight = min(thread.weight + step.weight, outline.least)
                kept = 0 if step.weight or step.fixed else left_out
                after = Thread(thread.passage, place, kept, weight, run)
                yield from _behind(thread, self._written[thread.passage][place], after)
            if step.fixed:
                return
            gap.append(step)
            if thread.place >= 0:
                left_out += step.weight
            if left_out > outline.skip:
                return

    def _complete(self, thread: Thread) -> bool:
        if thread.filler or thread.weight < self._outline.least:
            return False
        if thread.place < max(0, self._last_fixed[thread.passage]):
            return False
        passage = self._outline.passages[thread.passage]
        if thread.place == len(passage) - 1:
            return True
        last, left_out = passage[thread.place : thread.place + 2]
        return last.weight > 0 and (last.closes or _leads(left_out))

    def _spellings(self, text: bytes) -> NDArray[np.int64]:
        """The tokens that write `text` or begin it."""
        found = self._spelled.get(text)
        if found is None:
            ids = self._vocabulary.ids
            tokens = [token for end in range(len(text)) for token in ids.get(text[: end + 1], ())]
            found = self._spelled[text] = np.array(tokens, np.int64)
        return found


def check_outline(outline: Outline | None, decoding: Decoding, field: str) -> None:
    """InvalidArgument names what makes it impossible to write along."""
    if outline is None:
        return
    if decoding.beam is not None:
        raise InvalidArgument(field, "can't be searched along; leave decoding.beam out to sample")
    if outline.run == 0:
        raise InvalidArgument(f"{field}.run", "must be 1 or more")
    for number, passage in enumerate(outline.passages):
        if len(passage) > _LONGEST:
            raise InvalidArgument(
                f"{field}.passages[{number}]",
                f"has {len(passage)} steps, the limit is {_LONGEST}; leave it out",
            )
    if not any(sum(s.weight for s in one) >= outline.least for one in outline.passages):
        raise InvalidArgument(
            f"{field}.passages", f"none has a weight of {outline.least}, which a text must have"
        )
    for text in (*outline.fillers, *(s.text for one in outline.passages for s in one)):
        if not text or " ".join(text.split()) != text:
            raise InvalidArgument(field, f"{text!r} is no word: empty, or white space in excess")


def _may_follow(last: Step | None, gap: Sequence[Step], step: Step) -> bool:
    """Whether `step` may follow `last`, the first of a text None, with `gap` left out between.

    What may go: articles; whole clauses; words of weight between two that stay, a noun's
    modifiers; and a phrase behind a word of weight, with the function word that leads it.
    """
    if not gap or last is None:
        return not gap or gap[-1].closes
    behind_weight = last.weight > 0 and _leads(gap[0]) and not any(one.binds for one in gap)
    if any(one.closes for one in gap[:-1]):
        return last.closes and gap[-1].closes
    if gap[-1].closes:
        return last.closes or behind_weight or all(map(_is_article, gap))
    return (
        all(map(_is_article, gap))
        or (all(one.weight for one in gap) and step.weight > 0 and not last.binds)
        or (behind_weight and _is_function(step))
    )


def _is_article(step: Step) -> bool:
    return step.loose and step.weight == 0


def _is_function(step: Step) -> bool:
    return step.weight == 0 and not step.loose


def _leads(step: Step) -> bool:
    """Whether a phrase begins there that a sentence can do without."""
    return _is_function(step) and not step.binds


def _other_words(gap: Sequence[Step], filler: bytes) -> bool:
    """Whether `gap` is more than the filler that is put in its place."""
    return [step.text.lower().encode() for step in gap] not in ([], [filler])


@lru_cache(4096)
def _size(text: str) -> int:
    """Words of a step, which may be `io.open(file)`."""
    return max(1, len(_WORD.findall(text)))


def _behind(
    thread: Thread, forms: Sequence[bytes], after: Thread
) -> Iterator[tuple[bytes, Thread]]:
    """A word behind the last one; the first of a text in either case, with a space or without."""
    for form in forms:
        if thread.begun:
            yield b" " + form, after
            continue
        for cased in {form, _capitalised(form)}:
            yield cased, after
            yield b" " + cased, after


def _capitalised(form: bytes) -> bytes:
    word = form.decode()
    return (word[0].upper() + word[1:]).encode()


@lru_cache(4096)
def _forms(text: str) -> tuple[bytes, ...]:
    """A word without the mark behind it, and with a comma where it has one."""
    bare = text.rstrip(".,;:!?") or text
    written = [bare]
    if text == f"{bare},":
        written.append(text)
    return tuple(one.encode() for one in dict.fromkeys(written))
