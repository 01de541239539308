"""The beam against exhaustive search on toy models, and with a real model."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.checkpoints.load import LoadedModel
from services.checkpoints.vocabulary import Vocabulary
from services.generator.constraints.beam import (
    BeamSearch,
    Hypothesis,
    LogProbs,
    Step,
    in_sight,
    repeating,
)
from services.generator.constraints.tracker import Constraints
from services.generator.sampling import sample
from services.generator.searching import search
from stillhouse.generator.types import Beam, Clause, Decoding, Literal, Prompt

WORDS = [b"", b"a", b" a", b" b", b"b", b" cab", b"."]
END = 0
LENGTH = 4


def toy_vocabulary() -> Vocabulary:
    pieces = np.zeros((len(WORDS), 4), np.uint8)
    for token, word in enumerate(WORDS):
        pieces[token, : len(word)] = list(word)

    def encode(text: str) -> list[int]:
        """Greedy: the longest piece that fits."""
        rest, ids = text.encode(), list[int]()
        while rest:
            fits = [token for token, word in enumerate(WORDS) if word and rest.startswith(word)]
            if not fits:
                return ids or [1]
            ids.append(max(fits, key=lambda token: len(WORDS[token])))
            rest = rest[len(WORDS[ids[-1]]) :]
        return ids

    lengths = np.array([len(word) for word in WORDS])
    return Vocabulary(pieces, lengths, np.zeros(len(WORDS), bool), frozenset({END}), encode)


class ToyModel:
    """Next-token log-probabilities that depend on the last two tokens."""

    def __init__(self, seed: int) -> None:
        table = np.random.default_rng(seed).normal(size=(len(WORDS), len(WORDS), len(WORDS))) * 2
        self._table = table - np.log(np.exp(table).sum(-1, keepdims=True))

    def next(self, tokens: tuple[int, ...]) -> LogProbs:
        before = (END, END, *tokens)
        table: LogProbs = self._table[before[-2], before[-1]]
        return table

    def logprob(self, tokens: tuple[int, ...]) -> float:
        return sum(float(self.next(tokens[:i])[token]) for i, token in enumerate(tokens))


def run(model: ToyModel, constraints: Constraints, beam: Beam) -> BeamSearch:
    ends = np.arange(len(WORDS)) == END
    one = BeamSearch(constraints, ends, beam, LENGTH)

    def roll_out(steps: list[Step], depth: int, width: int) -> list[list[LogProbs]]:
        futures = []
        for row, token in steps:
            start = (*one.rows[row].tokens, token)
            branches = []
            for first in np.argsort(-model.next(start))[:width]:
                path, tokens = [model.next(start)], (*start, int(first))
                for _ in range(depth - 1):
                    path.append(model.next(tokens))
                    tokens = (*tokens, int(np.argmax(path[-1])))
                branches.append(np.stack(path))
            futures.append(branches)
        return futures

    while one.rows:
        one.step(np.stack([model.next(row.tokens) for row in one.rows]), roll_out)  # type: ignore[arg-type]
    return one


def exhaustive(model: ToyModel, constraints: Constraints, penalty: float) -> float:
    """The best rank of a text that ended and meets every clause; -inf without one."""
    best = -np.inf
    for length in range(1, LENGTH + 1):
        for body in itertools.product(range(1, len(WORDS)), repeat=length - 1):
            tokens = (*body, END)
            text = b"".join(WORDS[token] for token in tokens).decode()
            if all(constraints.holds(text)):
                best = max(best, model.logprob(tokens) / length**penalty)
    return best


LITERALS = st.builds(
    Literal, st.sampled_from([("a",), ("b",), ("cab",), ("a b",), ("cab", "b")]), st.booleans()
)
CLAUSES = st.lists(st.lists(LITERALS, min_size=1, max_size=2).map(tuple).map(Clause), max_size=3)
WIDE = Beam(width=4000, prune=10**9, tolerance=99, no_repeat=0, enough=10**9)


@given(st.integers(0, 10**6), CLAUSES, st.sampled_from([0.0, 1.0]))
@settings(max_examples=40, deadline=None)
def test_a_wide_beam_finds_the_best_text_that_meets_all(
    seed: int, clauses: list[Clause], penalty: float
) -> None:
    model, constraints = ToyModel(seed), Constraints(clauses, toy_vocabulary())
    beam = replace(WIDE, length_penalty=penalty)
    expected = exhaustive(model, constraints, penalty)
    found = [one for one in run(model, constraints, beam).best(10**6) if one.ended]
    good = [one for one in found if all(constraints.met(one.standing))]
    assert len(good) == len(found)  # none may end without meeting all
    if np.isfinite(expected):
        assert good[0].logprob / len(good[0].tokens) ** penalty == pytest.approx(expected)
    else:
        assert not good


@given(st.integers(0, 10**6), CLAUSES, st.integers(1, 4), st.integers(0, 3))
@settings(max_examples=60, deadline=None)
def test_no_text_ends_without_meeting_all(
    seed: int, clauses: list[Clause], width: int, look_ahead: int
) -> None:
    model, constraints = ToyModel(seed), Constraints(clauses, toy_vocabulary())
    beam = Beam(width=width, look_ahead=look_ahead, branches=2, no_repeat=0)
    for text in run(model, constraints, beam).found:
        written = b"".join(WORDS[token] for token in text.tokens).decode()
        assert constraints.met(text.standing) == constraints.holds(written)
        assert text.logprob == pytest.approx(model.logprob(text.tokens))
        if text.ended:
            assert all(constraints.met(text.standing))


@given(st.integers(0, 10**6))
@settings(max_examples=40, deadline=None)
def test_one_hypothesis_without_clauses_is_greedy(seed: int) -> None:
    model, constraints = ToyModel(seed), Constraints((), toy_vocabulary())
    tokens: tuple[int, ...] = ()
    while len(tokens) < LENGTH and (not tokens or tokens[-1] != END):
        tokens = (*tokens, int(np.argmax(model.next(tokens))))
    found = run(model, constraints, Beam(width=1, no_repeat=0)).best(1)
    assert found[0].tokens == tokens


def test_groups_keep_a_text_that_meets_more_alive() -> None:
    """By likelihood alone the beam of two would hold no text with the unlikely word."""
    model = ToyModel(3)
    model._table[:, :, 5] = -12.0  # " cab" hardly ever
    constraints = Constraints([Clause((Literal(("cab",)),))], toy_vocabulary())
    best = run(model, constraints, Beam(width=2, no_repeat=0)).best(1)[0]
    assert 5 in best.tokens
    assert constraints.met(best.standing) == (True,)


def test_in_sight_is_the_best_place_of_the_best_phrase() -> None:
    future = np.log(np.array([[0.5, 0.4, 0.1], [0.1, 0.8, 0.1], [0.2, 0.2, 0.6]]))
    assert in_sight([(1,)], future) == pytest.approx(np.log(0.8))
    assert in_sight([(1, 2), (0,)], future) == pytest.approx((np.log(0.8) + np.log(0.6)) / 2)
    assert in_sight([(2, 2, 2, 2)], future) == pytest.approx(np.log([0.1, 0.1, 0.6]).mean())
    assert in_sight([], future) == 0.0


def test_repeating_names_what_would_close_an_ngram_again() -> None:
    assert repeating((1, 2, 3, 1, 2), 3) == [3]
    assert repeating((1, 2), 3) == []
    assert repeating((1, 1, 1), 0) == []
    assert repeating((4, 5), 1) == [4, 5]


PROMPTS = [
    Prompt("a", "Return the"),
    Prompt(
        "b",
        "A heap is an array of elements where each is",
        (Clause((Literal(("heap", "heaps")),)), Clause((Literal(("the",), exclude=True),))),
    ),
    Prompt("c", "Parse", (Clause((Literal(("argument parser",)),)),)),
]


def test_with_a_model_batches_equal_singles(tiny: LoadedModel) -> None:
    beam = Beam(width=3, look_ahead=2)
    together = search(tiny, PROMPTS, beam, samples=2, max_new_tokens=8)
    for prompt, group in zip(PROMPTS, together, strict=True):
        alone = search(tiny, [prompt], beam, samples=2, max_new_tokens=8)[0]
        assert [(one.text, one.clauses) for one in group] == [
            (one.text, one.clauses) for one in alone
        ]
        for one, other in zip(group, alone, strict=True):
            assert one.logprob == pytest.approx(other.logprob, abs=1e-3)


def test_with_a_model_one_hypothesis_is_greedy(tiny: LoadedModel) -> None:
    found = search(tiny, PROMPTS[:1], Beam(width=1, no_repeat=0), samples=1, max_new_tokens=8)[0][0]
    greedy = sample(tiny, PROMPTS[:1], Decoding(1, 8, temperature=0.0))[0][0]
    assert (found.text, found.tokens) == (greedy.text, greedy.tokens)
    assert found.logprob == pytest.approx(greedy.logprob, abs=1e-3)


def test_best_puts_what_meets_more_first() -> None:
    constraints = Constraints([Clause((Literal(("cab",)),))], toy_vocabulary())
    one = BeamSearch(constraints, np.arange(len(WORDS)) == END, Beam(width=2), LENGTH)
    standing = constraints.advance(one.rows[0].standing, 5)
    one.found = [
        Hypothesis((1,), -0.1, constraints.advance(one.rows[0].standing, 1), True),
        Hypothesis((5,), -9.0, standing, True),
    ]
    assert [text.tokens for text in one.best(2)] == [(5,), (1,)]
