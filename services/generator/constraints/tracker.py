"""Where a text in progress stands in its clauses, and what each next token would do.

A clause of wanted and avoided literals is true where a wanted one occurs or an avoided
one does not; it is lost where only avoided literals are left and all of them occurred.
Tokens that lose a clause are barred, and a text may end only where every clause is true
(NeuroLogic decoding: Lu et al. 2021, section 2.2; soft negative literals included).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from services.checkpoints.vocabulary import Vocabulary
from services.generator.constraints.automaton import START, Automaton, Pattern
from services.generator.constraints.occurrence import check_clauses, satisfied
from stillhouse.errors import InvalidArgument
from stillhouse.generator.types import Clause, Literal

_BITS = 63
_CACHED = 64  # states whose effect on the whole vocabulary is kept; some 800 KB each


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a text stands: a state of the automaton, the literals that occurred, and
    whether it has begun (holds more than space).
    """

    state: int = START
    seen: int = 0
    begun: bool = False


@dataclass(frozen=True, slots=True)
class _Needs:
    """A clause in bits: true if any of `wanted` was seen, or any of `avoided` was not."""

    wanted: int
    avoided: int

    def true(self, seen: int) -> bool:
        return bool(seen & self.wanted) or bool(self.avoided & ~seen)

    def lost(self, seen: int) -> bool:
        return not self.wanted and not self.avoided & ~seen


@dataclass(frozen=True, slots=True)
class _Effect:
    """What each token (size,) does in a state: literals that occur on its way, and those
    that occur besides if the text ends behind it.
    """

    bits: NDArray[np.uint64]
    pending: NDArray[np.uint64]


class Constraints:
    """Clauses over a vocabulary; shared by all texts that are written under them."""

    def __init__(self, clauses: Sequence[Clause], vocabulary: Vocabulary) -> None:
        """InvalidArgument for clauses that make no sense or are more than can be tracked."""
        check_clauses(clauses)
        self.clauses = tuple(clauses)
        self._vocabulary = vocabulary
        bits = _number(literal for clause in clauses for literal in clause.literals)
        self._patterns = [
            Pattern(form.encode(), literal.exclude, bit)
            for literal, bit in bits.items()
            for form in literal.forms
        ]
        self._automaton = Automaton(self._patterns)
        self._needs = [
            _Needs(
                _mask(bits[one] for one in clause.literals if not one.exclude),
                _mask(bits[one] for one in clause.literals if one.exclude),
            )
            for clause in clauses
        ]
        self._effects: OrderedDict[int, _Effect] = OrderedDict()
        self._undoing: OrderedDict[Standing, NDArray[np.bool_]] = OrderedDict()
        self._barred: OrderedDict[tuple[Standing, bool], NDArray[np.bool_]] = OrderedDict()
        self._beginnings: dict[int, tuple[int, int]] = {}
        self._continuations: dict[tuple[int, int], int | None] = {}

    def holds(self, text: str) -> tuple[bool, ...]:
        """For each clause whether a finished text satisfies it, by the definition."""
        return satisfied(self.clauses, text)

    def advance(self, standing: Standing, token: int) -> Standing:
        """Where the text stands with one more token."""
        piece = self._vocabulary.piece(token)
        state, bits = self._automaton.advance(standing.state, piece)
        return Standing(state, standing.seen | bits, standing.begun or bool(piece.strip()))

    def met(self, standing: Standing) -> tuple[bool, ...]:
        """For each clause whether it is true if the text ends here."""
        seen = standing.seen | self._automaton.pending(standing.state)
        return tuple(needs.true(seen) for needs in self._needs)

    def barred(self, standing: Standing, *, last: bool = False) -> NDArray[np.bool_]:
        """(size,): tokens that would lose a clause, or end the text too early.

        `last`: no token can follow, so what is pending behind a token occurs. A text
        does not begin with a line break.
        """
        key = (standing, last)
        barred = self._barred.get(key)
        if barred is None:
            barred = self._barred[key] = self._find_barred(standing, last)
            if len(self._barred) > _CACHED:
                self._barred.popitem(last=False)
        return barred

    def undoing(self, standing: Standing) -> NDArray[np.bool_]:
        """(size,): tokens that make a clause untrue which is true if the text ends here.

        They go on with the last word of a wanted phrase and so make another word of it.
        """
        found = self._undoing.get(standing)
        if found is None:
            found = self._undoing[standing] = self._find_undoing(standing)
            if len(self._undoing) > _CACHED:
                self._undoing.popitem(last=False)
        return found

    def _find_undoing(self, standing: Standing) -> NDArray[np.bool_]:
        effect = self._effect(standing.state)
        seen = effect.bits | effect.pending | np.uint64(standing.seen)
        undoing = np.zeros(len(seen), bool)
        for needs, met in zip(self._needs, self.met(standing), strict=True):
            if met and needs.wanted:
                undoing |= ~_truth(needs, seen)[0]
        return undoing

    def _find_barred(self, standing: Standing, last: bool) -> NDArray[np.bool_]:
        effect = self._effect(standing.state)
        seen = effect.bits | np.uint64(standing.seen)
        over = self._vocabulary.breaks.copy()
        over[list(self._vocabulary.ends)] = True
        ending = np.flatnonzero(over | last)
        seen[ending] |= effect.pending[ending]
        barred = np.zeros(len(seen), bool) if standing.begun else self._vocabulary.breaks.copy()
        for needs in self._needs:
            true, lost = _truth(needs, seen)
            barred |= lost | (over & ~true)
        return barred

    def progress(self, standing: Standing) -> float:
        """Largest matched share of a wanted literal of a clause that is not yet true."""
        unmet = self._unmet(standing)
        shares = (
            matched / len(self._patterns[pattern].phrase)
            for pattern, matched in self._automaton.progress(standing.state)
            if unmet & 1 << self._patterns[pattern].bit
        )
        return max(shares, default=0.0)

    def proposals(self, standing: Standing) -> tuple[int, ...]:
        """Tokens that begin a literal of an untrue clause, or go on with one under way."""
        unmet = self._unmet(standing)
        if not unmet:
            return ()
        found: dict[int, None] = {}
        for pattern, matched in self._automaton.progress(standing.state):
            if unmet & 1 << self._patterns[pattern].bit:
                found[self._continuation(pattern, matched)] = None
        for pattern, one in enumerate(self._patterns):
            if unmet & 1 << one.bit:
                found.update(dict.fromkeys(self._begins(pattern)))
        found.pop(-1, None)
        return tuple(found)

    def remaining(self, standing: Standing) -> int:
        """Tokens that the shortest way to make every clause true takes, as far as is known."""
        met = self.met(standing)
        return sum(
            min(
                (
                    length
                    for length, pattern in zip(self._lengths, self._patterns, strict=True)
                    if needs.wanted & 1 << pattern.bit
                ),
                default=0,
            )
            for needs, done in zip(self._needs, met, strict=True)
            if not done
        )

    @cached_property
    def longest(self) -> int:
        """Tokens that a wanted form of every clause takes at most."""
        return sum(
            max(
                (
                    length
                    for length, pattern in zip(self._lengths, self._patterns, strict=True)
                    if needs.wanted & 1 << pattern.bit
                ),
                default=0,
            )
            for needs in self._needs
        )

    def phrases(self, standing: Standing) -> list[tuple[int, ...]]:
        """Token sequences of the wanted forms of clauses that are not yet true."""
        unmet = self._unmet(standing)
        return [
            self._spelled[pattern]
            for pattern, one in enumerate(self._patterns)
            if unmet & 1 << one.bit
        ]

    def shortest_step(self, standing: Standing) -> int | None:
        """The next token on the shortest way to an untrue clause; None if all are true."""
        unmet = self._unmet(standing)
        under_way = [
            (len(self._patterns[pattern].phrase) - matched, self._continuation(pattern, matched))
            for pattern, matched in self._automaton.progress(standing.state)
            if unmet & 1 << self._patterns[pattern].bit
        ]
        under_way = [(left, token) for left, token in under_way if left and token >= 0]
        if under_way:
            return min(under_way)[1]
        wanted = [i for i, one in enumerate(self._patterns) if unmet & 1 << one.bit]
        if not wanted:
            return None
        pattern = min(wanted, key=lambda i: self._lengths[i])
        behind_space, bare = self._begins(pattern)
        return bare if self._automaton.at_boundary(standing.state) else behind_space

    @cached_property
    def _spelled(self) -> list[tuple[int, ...]]:
        """Each form behind a space, in the tokenizer's own cut."""
        encode = self._vocabulary.encode
        return [tuple(encode(" " + one.phrase.decode())) for one in self._patterns]

    @cached_property
    def _lengths(self) -> list[int]:
        return [len(tokens) for tokens in self._spelled]

    def _begins(self, pattern: int) -> tuple[int, int]:
        """The first token of a form behind a space, and at the beginning of a word."""
        if pattern not in self._beginnings:
            bare = self._vocabulary.encode(self._patterns[pattern].phrase.decode())
            self._beginnings[pattern] = (self._spelled[pattern][0], bare[0])
        return self._beginnings[pattern]

    def _continuation(self, pattern: int, matched: int) -> int:
        """The first token of the rest of a phrase; -1 where nothing is left."""
        key = (pattern, matched)
        if key not in self._continuations:
            rest = self._patterns[pattern].phrase[matched:].decode(errors="ignore")
            tokens = self._vocabulary.encode(rest) if rest else []
            self._continuations[key] = tokens[0] if tokens else None
        token = self._continuations[key]
        return -1 if token is None else token

    def _unmet(self, standing: Standing) -> int:
        """Bits of the wanted literals of clauses that are not true."""
        seen = standing.seen | self._automaton.pending(standing.state)
        return _or(needs.wanted for needs in self._needs if not needs.true(seen))

    def _effect(self, state: int) -> _Effect:
        effect = self._effects.get(state)
        if effect is None:
            effect = self._effects[state] = self._find_effect(state)
            if len(self._effects) > _CACHED:
                self._effects.popitem(last=False)
        self._effects.move_to_end(state)
        return effect

    def _find_effect(self, state: int) -> _Effect:
        vocabulary = self._vocabulary
        states, bits = self._automaton.advance_all(state, vocabulary.pieces, vocabulary.lengths)
        distinct, where = np.unique(states, return_inverse=True)
        pending = [self._automaton.pending(one) for one in distinct.tolist()]
        return _Effect(bits, np.array(pending, np.uint64)[where])


def _truth(needs: _Needs, seen: NDArray[np.uint64]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Where a clause is true and where it is lost, for many texts."""
    open_ = (np.uint64(needs.avoided) & ~seen) != 0
    true = ((seen & np.uint64(needs.wanted)) != 0) | open_
    return true, ~true & (needs.wanted == 0)


def _number(literals: Iterable[Literal]) -> dict[Literal, int]:
    """A bit for each distinct literal."""
    bits: dict[Literal, int] = {}
    for literal in literals:
        bits.setdefault(literal, len(bits))
    if len(bits) > _BITS:
        raise InvalidArgument(
            "constraints",
            f"hold {len(bits)} different literals, the limit is {_BITS}; "
            "give phrases to avoid as forms of one literal",
        )
    return bits


def _mask(bits: Iterable[int]) -> int:
    return _or(1 << bit for bit in bits)


def _or(masks: Iterable[int]) -> int:
    whole = 0
    for mask in masks:
        whole |= mask
    return whole
