"""Runs of words that a summary shares with its document: extractive fragments.

After Grusky, Naaman and Artzi 2018 (Newsroom, section 4): the greedy longest fragments,
their share of the summary (coverage) and the mean squared length (density). A suffix
automaton of the document (Blumer et al. 1985) makes all of it linear in both lengths,
where the paper's own search is quadratic.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from stillhouse.text.words import ngrams, per_text, words


@dataclass(frozen=True, slots=True)
class Fragments:
    """Lengths of the greedy fragments in words, in order; the longest run; the summary's words.

    `longest` may exceed every fragment: a greedy one can end inside a longer run.
    """

    lengths: tuple[int, ...]
    longest: int
    words: int

    @property
    def coverage(self) -> float:
        """Share of the words inside a fragment, 0 to 1."""
        return sum(self.lengths) / max(1, self.words)

    @property
    def density(self) -> float:
        """Sum of the squared lengths over the words: the mean length a word finds itself in."""
        return sum(length * length for length in self.lengths) / max(1, self.words)


def fragments(summary: str, document: str) -> Fragments:
    """The fragments of `summary`, compared by folded words; O(|x| + |y|)."""
    said = words(summary)
    automaton = _automaton(document)
    return Fragments(automaton.greedy(said), automaton.longest(said), len(said))


def novel_share(summary: Sequence[str], document: Sequence[str], n: int) -> float:
    """Share of the summary's n-grams that its document lacks; 0 without any."""
    said = ngrams(summary, n)
    known = set(ngrams(document, n))
    return sum(gram not in known for gram in said) / max(1, len(said))


class Automaton:
    """The suffix automaton of a sequence: a state per set of places where a run can end."""

    def __init__(self, sequence: Sequence[str]) -> None:
        self._next: list[dict[str, int]] = [{}]
        self._link = [-1]
        self._length = [0]
        last = 0
        for word in sequence:
            last = self._extend(word, last)

    def greedy(self, sequence: Sequence[str]) -> tuple[int, ...]:
        """The longest run from the first word on, then from behind it, and so on; no zeros."""
        lengths, state, length = [], 0, 0
        for word in sequence:
            following = self._next[state].get(word)
            if following is None and length:
                lengths.append(length)
                following, length = self._next[0].get(word), 0
            state = following or 0
            length += following is not None
        return (*lengths, length) if length else tuple(lengths)

    def longest(self, sequence: Sequence[str]) -> int:
        """The length of the longest run of `sequence` that occurs."""
        best, state, length = 0, 0, 0
        for word in sequence:
            while state and word not in self._next[state]:
                state = self._link[state]
                length = self._length[state]
            following = self._next[state].get(word)
            if following is not None:
                state, length = following, length + 1
                best = max(best, length)
        return best

    def _extend(self, word: str, last: int) -> int:
        """Append `word` behind the state `last`; returns the state of the whole."""
        current = self._state(self._length[last] + 1, {}, 0)
        at = last
        while at != -1 and word not in self._next[at]:
            self._next[at][word] = current
            at = self._link[at]
        if at != -1:
            self._link[current] = self._split(at, word)
        return current

    def _split(self, at: int, word: str) -> int:
        """The state that `word` leads to from `at` and that holds no longer run; maybe new."""
        target = self._next[at][word]
        length = self._length[at] + 1
        if self._length[target] == length:
            return target
        clone = self._state(length, dict(self._next[target]), self._link[target])
        self._link[target] = clone
        while at != -1 and self._next[at].get(word) == target:
            self._next[at][word] = clone
            at = self._link[at]
        return clone

    def _state(self, length: int, following: dict[str, int], link: int) -> int:
        self._next.append(following)
        self._link.append(link)
        self._length.append(length)
        return len(self._length) - 1


@per_text
def _automaton(document: str) -> Automaton:
    return Automaton(words(document))
