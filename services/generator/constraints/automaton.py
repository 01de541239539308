"""Phrases found in a text that grows byte by byte, however it is cut into tokens.

A phrase occurs where it stands as whole words, which is known only one byte behind it;
until then it is pending. The automaton is built as far as it is visited.

Bytes above 127 belong to letters and to other characters alike. Where that matters the
cautious side is taken: a phrase to avoid may end before one, a phrase that is wanted may not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

START = 0

_WORD = np.zeros(256, bool)
_WORD[[*b"abcdefghijklmnopqrstuvwxyz", *b"ABCDEFGHIJKLMNOPQRSTUVWXYZ", *b"0123456789_"]] = True
_HIGH = np.arange(256) >= 128
_LOWER = np.arange(256, dtype=np.uint8)
_LOWER[ord("A") : ord("Z") + 1] += 32

_Item: TypeAlias = tuple[int, int]
_State: TypeAlias = tuple[bool, bool, frozenset[_Item]]
"""Whether a wanted and an avoided phrase may begin here, and (pattern, bytes matched) under way."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """A phrase in UTF-8, whether to avoid it, and the bit that tells of its occurrence."""

    phrase: bytes
    avoid: bool
    bit: int


class Automaton:
    """States are small integers; `START` is that of the empty text."""

    def __init__(self, patterns: Sequence[Pattern]) -> None:
        self._patterns = list(patterns)
        self._phrases = [bytes(_LOWER[list(pattern.phrase)]) for pattern in patterns]
        self._alphabet = _alphabet(self._phrases)
        self._numbers: dict[_State, int] = {}
        self._states: list[_State] = []
        self._next: list[NDArray[np.int32]] = []
        self._seen: list[NDArray[np.uint64]] = []
        self._number((True, True, frozenset()))

    def progress(self, state: int) -> list[tuple[int, int]]:
        """Patterns under way, each with the number of its bytes that are there."""
        return sorted(self._states[state][2])

    def at_boundary(self, state: int) -> bool:
        """Whether a wanted phrase may begin at the next byte."""
        return self._states[state][0]

    def pending(self, state: int) -> int:
        """Bits of the patterns that occur if the text ends here."""
        bits = 0
        for pattern, matched in self._states[state][2]:
            if matched == len(self._phrases[pattern]):
                bits |= 1 << self._patterns[pattern].bit
        return bits

    def advance(self, state: int, text: bytes) -> tuple[int, int]:
        """The state behind `text`, and the bits of the patterns that occurred on the way."""
        bits = 0
        for byte in text:
            self._expand(state)
            bits |= int(self._seen[state][byte])
            state = int(self._next[state][byte])
        return state, bits

    def advance_all(
        self, state: int, tokens: NDArray[np.uint8], lengths: NDArray[np.int64]
    ) -> tuple[NDArray[np.int32], NDArray[np.uint64]]:
        """`advance` over many byte strings at once.

        tokens: (n, longest), padded; lengths: (n,). Returns states (n,) and bits (n,).
        """
        states = np.full(len(tokens), state, np.int32)
        bits = np.zeros(len(tokens), np.uint64)
        for column in range(tokens.shape[1]):
            rows = np.flatnonzero(lengths > column)
            if not rows.size:
                break
            for present in np.unique(states[rows]).tolist():
                here = rows[states[rows] == present]
                self._expand(present)
                byte = tokens[here, column]
                bits[here] |= self._seen[present][byte]
                # Written behind the last use of `states` as it was in this column.
                states[here] = -1 - self._next[present][byte]
            states[rows] = -1 - states[rows]
        return states, bits

    def _number(self, state: _State) -> int:
        number = self._numbers.get(state)
        if number is None:
            number = self._numbers[state] = len(self._states)
            self._states.append(state)
            self._next.append(np.empty(0, np.int32))
            self._seen.append(np.empty(0, np.uint64))
        return number

    def _expand(self, number: int) -> None:
        """Make the row of a state: where each byte leads, and what it completes."""
        if self._next[number].size:
            return
        follow, seen = np.empty(256, np.int32), np.zeros(256, np.uint64)
        for alike in self._alphabet:
            state, bits = self._step(self._states[number], alike[0])
            follow[alike], seen[alike] = self._number(state), bits
        self._next[number], self._seen[number] = follow, seen

    def _step(self, state: _State, byte: int) -> tuple[_State, int]:
        may_want, may_avoid, items = state
        low = int(_LOWER[byte])
        going: set[_Item] = set()
        bits = 0
        for pattern, matched in items:
            phrase = self._phrases[pattern]
            if matched == len(phrase):
                if _is_boundary(byte, self._patterns[pattern].avoid):
                    bits |= 1 << self._patterns[pattern].bit
            elif phrase[matched] == low:
                going.add((pattern, matched + 1))
        for pattern, phrase in enumerate(self._phrases):
            begins = may_avoid if self._patterns[pattern].avoid else may_want
            if begins and phrase[0] == low:
                going.add((pattern, 1))
        behind = (_is_boundary(byte, False), _is_boundary(byte, True), frozenset(going))
        return behind, bits


def _is_boundary(byte: int, avoid: bool) -> bool:
    return not _WORD[byte] and (avoid or not _HIGH[byte])


def _alphabet(phrases: Sequence[bytes]) -> list[list[int]]:
    """The bytes in groups that no state tells apart."""
    used = set().union(*phrases)
    groups: dict[tuple[int, bool, bool], list[int]] = {}
    for byte in range(256):
        low = int(_LOWER[byte])
        kind = (low if low in used else -1, bool(_WORD[byte]), bool(_HIGH[byte]))
        groups.setdefault(kind, []).append(byte)
    return list(groups.values())
