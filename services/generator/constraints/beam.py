"""NeuroLogic decoding: beam search under clauses, over next-token log-probabilities.

Lu et al. 2021, "NeuroLogic Decoding", section 2.3: candidates are pruned by likelihood and
by the number of clauses they meet, grouped by the set of clauses they meet, and the beam is
filled from the groups in turn. The look-ahead is that of Lu et al. 2022, "NeuroLogic
A*esque Decoding", section 3. Pure: a language model comes in as two functions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from services.generator.constraints.tracker import Constraints, Standing
from stillhouse.generator.types import Beam

LogProbs: TypeAlias = NDArray[np.floating]
"""(rows, vocabulary), natural logarithms."""

Step: TypeAlias = tuple[int, int]
"""A row of the beam, and the token behind it."""

RollOut: TypeAlias = Callable[[Sequence[Step], int, int], list[list[LogProbs]]]
"""(steps, depth, width): for each step, for each of `width` greedy continuations, the
log-probabilities (depth, vocabulary) of the tokens behind it."""


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """A text in progress or ended: tokens, their log-probability, where it stands."""

    tokens: tuple[int, ...]
    logprob: float
    standing: Standing
    ended: bool = False


@dataclass(frozen=True, slots=True)
class _Candidate:
    row: int
    text: Hypothesis
    met: tuple[bool, ...]
    rank: float


class BeamSearch:
    """The search for one prompt: feed `step` with log-probabilities until `rows` is empty."""

    def __init__(
        self, constraints: Constraints, ends: NDArray[np.bool_], beam: Beam, max_tokens: int
    ) -> None:
        """`ends` (vocabulary,) marks tokens that end a text."""
        self._constraints = constraints
        self._ends = ends
        self._beam = beam
        self._max_tokens = max_tokens
        self.rows: list[Hypothesis] = [Hypothesis((), 0.0, Standing())]
        self.found: list[Hypothesis] = []

    def step(self, logprobs: LogProbs, roll_out: RollOut | None = None) -> list[Step]:
        """Replace the beam; gives for each new row the old one and the token behind it.

        logprobs: (rows, vocabulary), those of the next token of each row.
        """
        last = len(self.rows[0].tokens) + 1 == self._max_tokens
        allowed = self._allowed(logprobs, last)
        pool = self._pool(allowed)
        if roll_out is not None and self._beam.look_ahead and not last:
            pool = self._looked_ahead(pool, roll_out)
        chosen: list[_Candidate] = []
        for candidate in in_turn(pool):
            if candidate.text.ended or last:
                self.found.append(candidate.text)
            else:
                chosen.append(candidate)
            if len(chosen) == self._beam.width or (last and len(self.found) >= self._beam.width):
                break
        if self._ended_enough():
            chosen = []
        self.rows = [candidate.text for candidate in chosen]
        return [(candidate.row, candidate.text.tokens[-1]) for candidate in chosen]

    def best(self, count: int) -> list[Hypothesis]:
        """The best texts found: those that meet most clauses first, ended ones before others."""

        def key(text: Hypothesis) -> tuple[int, bool, float]:
            met = sum(self._constraints.met(text.standing))
            return -met, not text.ended, -self._normalised(text)

        return sorted(self.found, key=key)[:count]

    def _ended_enough(self) -> bool:
        ended = sum(text.ended for text in self.found)
        return ended >= (self._beam.enough or self._beam.width)

    def _normalised(self, text: Hypothesis) -> float:
        return text.logprob / float(len(text.tokens) ** self._beam.length_penalty)

    def _allowed(self, logprobs: LogProbs, last: bool) -> LogProbs:
        """Log-probabilities of the whole texts, -inf where a token is barred."""
        allowed = np.array(logprobs, np.float64)
        for number, row in enumerate(self.rows):
            barred = self._constraints.barred(row.standing, last=last).copy()
            if len(row.tokens) < self._beam.min_tokens:
                barred |= self._ends
            barred[repeating(row.tokens, self._beam.no_repeat)] = True
            if (~barred & np.isfinite(allowed[number])).any():
                allowed[number, barred] = -np.inf
            # Otherwise it goes on as it can; what it then fails to meet is told of it.
            allowed[number] += row.logprob
        return allowed

    def _pool(self, allowed: LogProbs) -> list[_Candidate]:
        width = min(self._beam.width, allowed.size)
        flat = allowed.ravel()
        top = np.argpartition(-flat, width - 1)[:width]
        steps = {divmod(int(place), allowed.shape[1]) for place in top}
        for number, row in enumerate(self.rows):
            keep = min(self._beam.width, allowed.shape[1])
            best = np.argpartition(-allowed[number], keep - 1)[:keep]
            steps.update((number, int(token)) for token in best)
            steps.update((number, token) for token in self._constraints.proposals(row.standing))
        floor = _floor(flat, self._beam.prune)
        pool = [
            self._candidate(number, token, float(allowed[number, token]))
            for number, token in sorted(steps)
            if np.isfinite(allowed[number, token]) and allowed[number, token] >= floor
        ]
        most = max((sum(one.met) for one in pool), default=0)
        return [one for one in pool if sum(one.met) >= most - self._beam.tolerance]

    def _candidate(self, number: int, token: int, logprob: float) -> _Candidate:
        row = self.rows[number]
        standing = self._constraints.advance(row.standing, token)
        text = Hypothesis((*row.tokens, token), logprob, standing, bool(self._ends[token]))
        progress = self._constraints.progress(standing)
        rank = self._normalised(text) + self._beam.progress * progress
        return _Candidate(number, text, self._constraints.met(standing), rank)

    def _looked_ahead(self, pool: list[_Candidate], roll_out: RollOut) -> list[_Candidate]:
        """The most promising candidates, ranked anew by the clauses that are in sight."""
        pool = sorted(pool, key=lambda one: -one.rank)
        bound = 4 * self._beam.width
        open_ = [one for one in pool[:bound] if not one.text.ended and not all(one.met)]
        done = [one for one in pool[:bound] if one.text.ended or all(one.met)]
        if not open_:
            return pool
        steps = [(one.row, one.text.tokens[-1]) for one in open_]
        futures = roll_out(steps, self._beam.look_ahead, self._beam.branches)
        for one, branches in zip(open_, futures, strict=True):
            phrases = self._constraints.phrases(one.text.standing)
            hope = max(in_sight(phrases, future) for future in branches)
            rank = one.rank + self._beam.strength * hope
            done.append(_Candidate(one.row, one.text, one.met, rank))
        return done


def in_turn(pool: Sequence[_Candidate]) -> list[_Candidate]:
    """Candidates of groups that meet the same clauses: the best of each, the second best, …"""
    groups: dict[tuple[bool, ...], list[_Candidate]] = {}
    for one in sorted(pool, key=lambda one: -one.rank):
        groups.setdefault(one.met, []).append(one)
    longest = max(map(len, groups.values()), default=0)
    return [
        group[place] for place in range(longest) for group in groups.values() if place < len(group)
    ]


def in_sight(phrases: Sequence[Sequence[int]], future: LogProbs) -> float:
    """How likely the most likely phrase is in the tokens ahead: largest mean log-probability.

    future: (depth, vocabulary). 0 without a phrase.
    """
    depth = len(future)
    best = -np.inf if phrases else 0.0
    for phrase in phrases:
        shown = list(phrase[:depth])
        for start in range(depth - len(shown) + 1):
            places = np.arange(start, start + len(shown))
            best = max(best, float(future[places, shown].mean()))
    return best


def repeating(tokens: Sequence[int], size: int) -> list[int]:
    """Tokens that would repeat an n-gram of `size`; none if it is 0."""
    if not size or len(tokens) < size:
        return []
    context = tuple(tokens[len(tokens) - size + 1 :])
    return [
        tokens[start + size - 1]
        for start in range(len(tokens) - size + 1)
        if tuple(tokens[start : start + size - 1]) == context
    ]


def _floor(flat: LogProbs, prune: int) -> float:
    if prune >= flat.size:
        return -np.inf
    return float(np.partition(flat, flat.size - prune)[flat.size - prune])
