"""Clauses, the automaton and the tracker against their definition on whole texts."""

from __future__ import annotations

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.checkpoints.load import LoadedModel
from services.generator.constraints.automaton import START, Automaton, Pattern
from services.generator.constraints.occurrence import check_clauses, occurs, satisfied
from services.generator.constraints.tracker import Constraints, Standing
from stillhouse.errors import InvalidArgument
from stillhouse.generator.types import Clause, Literal

PHRASES = ["a", "ab", "b a", "aba", "#b", "b-a", "é", "bé"]
TEXT = st.text(st.sampled_from(list("aAbB -#é_.")), max_size=14)


def wanted(*forms: str) -> Clause:
    return Clause((Literal(forms),))


def avoided(*forms: str) -> Clause:
    return Clause((Literal(forms, exclude=True),))


@pytest.mark.parametrize(
    ("form", "text", "expected"),
    [
        ("cat", "The cat sat.", True),
        ("cat", "The Cat", True),
        ("cat", "concatenate", False),
        ("cat", "cats", False),
        ("cat", "cat—", True),
        ("cat", "caté", False),
        ("New York", "in new york,", True),
        ("New York", "in new  york,", False),
        ("C++", "C++ is", True),
        ("É", "é", False),
    ],
)
def test_a_form_occurs_as_whole_words(form: str, text: str, expected: bool) -> None:
    assert occurs(form, text) is expected


def test_a_clause_is_true_by_any_of_its_literals() -> None:
    mixed = Clause((Literal(("cat",)), Literal(("dog",), exclude=True)))
    clauses = [mixed, wanted("cat", "cats"), avoided("dog")]
    assert satisfied(clauses, "two cats") == (True, True, True)
    assert satisfied(clauses, "a dog") == (False, False, False)
    assert satisfied(clauses, "a dog and a cat") == (True, True, False)


@pytest.mark.parametrize(
    "clause", [Clause(()), Clause((Literal(()),)), wanted(""), wanted(" a"), wanted("a\nb")]
)
def test_senseless_clauses_are_named(clause: Clause) -> None:
    with pytest.raises(InvalidArgument, match=r"constraints\[1\]"):
        check_clauses([wanted("fine"), clause])


@given(st.lists(st.sampled_from(PHRASES), min_size=1, max_size=4, unique=True), TEXT)
@settings(max_examples=400, deadline=None)
def test_the_automaton_finds_what_occurs(phrases: list[str], text: str) -> None:
    """Exactly in ASCII; beside other characters wanted ones cautiously, avoided ones surely."""
    for avoid in (False, True):
        automaton = Automaton(
            [Pattern(phrase.encode(), avoid, bit) for bit, phrase in enumerate(phrases)]
        )
        state, seen = automaton.advance(START, text.encode())
        seen |= automaton.pending(state)
        for bit, phrase in enumerate(phrases):
            told, true = bool(seen & 1 << bit), occurs(phrase, text)
            if text.isascii() and phrase.isascii():
                assert told == true
            else:
                assert told or not true if avoid else true or not told


@given(TEXT, st.lists(TEXT, min_size=1, max_size=6))
@settings(max_examples=100, deadline=None)
def test_many_at_once_equal_one_by_one(start: str, texts: list[str]) -> None:
    automaton = Automaton([Pattern(p.encode(), i % 2 == 0, i) for i, p in enumerate(PHRASES)])
    state, _ = automaton.advance(START, start.encode())
    encoded = [text.encode() for text in texts]
    padded = torch.zeros(len(texts), max(map(len, encoded), default=0), dtype=torch.uint8).numpy()
    for row, one in enumerate(encoded):
        padded[row, : len(one)] = list(one)
    lengths = torch.tensor([len(one) for one in encoded]).numpy()
    states, bits = automaton.advance_all(state, padded, lengths)
    for row, one in enumerate(encoded):
        assert (int(states[row]), int(bits[row])) == automaton.advance(state, one)


def naive_barred(
    loaded: LoadedModel, clauses: list[Clause], written: list[int], *, last: bool
) -> list[bool]:
    """The definition: look at the whole text with each token behind it."""
    vocabulary = loaded.vocabulary
    text = b"".join(vocabulary.piece(token) for token in written)
    standing_text = text.decode(errors="replace")
    only_avoided = [all(one.exclude for one in clause.literals) for clause in clauses]
    barred = []
    for token in range(len(vocabulary.lengths)):
        over = token in vocabulary.ends or vocabulary.has_break(token)
        whole = (text + vocabulary.piece(token)).decode(errors="replace")
        # Behind a text that goes on, a word may still grow: only what is followed by a
        # boundary has occurred.
        settled = whole if over or last else whole + "x"
        met = satisfied(clauses, settled)
        lost = any(only and not one for only, one in zip(only_avoided, met, strict=True))
        early = over and not all(met)
        leading = vocabulary.has_break(token) and not standing_text.strip()
        barred.append(lost or early or leading)
    return barred


CLAUSES = st.lists(
    st.sampled_from(
        [
            wanted("the"), wanted("heap", "heaps"), avoided("is"), avoided("a", "of"),
            Clause((Literal(("an",)), Literal(("the",), exclude=True))),
            Clause((Literal(("in",), exclude=True), Literal(("or",), exclude=True))),
        ]
    ),
    min_size=1, max_size=3, unique=True,
)  # fmt: skip
WRITTEN = st.lists(
    st.sampled_from(["the", " the", " is", " a", "n", " or", " in", "heap", ".", " x"]), max_size=6
)


@given(CLAUSES, WRITTEN, st.booleans())
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_barred_tokens_are_those_of_the_definition(
    tiny: LoadedModel, clauses: list[Clause], written: list[str], last: bool
) -> None:
    tokens = tiny.vocabulary.encode("".join(written))
    constraints = Constraints(clauses, tiny.vocabulary)
    standing = Standing()
    for token in tokens:
        standing = constraints.advance(standing, token)
    found = constraints.barred(standing, last=last).tolist()
    naive = naive_barred(tiny, clauses, tokens, last=last)
    pieces = [tiny.vocabulary.piece(token) for token in range(len(naive))]
    differ = [
        (piece, one)
        for piece, one, other in zip(pieces, found, naive, strict=True)
        if one != other and piece.isascii()
    ]
    assert differ == []


def test_proposals_spell_what_is_wanted(tiny: LoadedModel) -> None:
    constraints = Constraints([wanted("argument parser")], tiny.vocabulary)
    standing = Standing()
    written: list[int] = []
    while not all(constraints.met(standing)):
        proposals = constraints.proposals(standing)
        assert proposals
        step = constraints.shortest_step(standing)
        assert step in proposals
        written.append(int(step))
        standing = constraints.advance(standing, written[-1])
    assert str(tiny.tokenizer.decode(written)).strip() == "argument parser"
    assert constraints.proposals(standing) == ()
    assert constraints.shortest_step(standing) is None


def test_the_vocabulary_spells_every_text(tiny: LoadedModel) -> None:
    text = "A heap—an array (é, 日本) of 42 items\tand\\more"
    pieces = [tiny.vocabulary.piece(token) for token in tiny.vocabulary.encode(text)]
    assert b"".join(pieces).decode() == text
    broken = tiny.vocabulary.encode("a\nb")
    assert any(tiny.vocabulary.has_break(token) for token in broken)


def test_too_many_literals_are_refused(tiny: LoadedModel) -> None:
    clauses = [wanted(f"w{number}") for number in range(64)]
    with pytest.raises(InvalidArgument, match="the limit is 63"):
        Constraints(clauses, tiny.vocabulary)
