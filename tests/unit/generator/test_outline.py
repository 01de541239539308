"""Compressions against a slow twin that tries every subset of a passage."""

from __future__ import annotations

import inspect
import itertools
import random
import re
import sys
from collections.abc import Iterator

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.checkpoints.load import LoadedModel
from services.generator.constraints.outline import Compression, check_outline
from services.generator.sampling import sample
from stillhouse.errors import InvalidArgument
from stillhouse.generator.types import Beam, Decoding, Outline, Prompt, Step

STEPS = st.builds(
    Step,
    st.sampled_from(["ab", "abc", "b,", "c", "The", "a", "d.", "(ab.c)", "(a b)", "é"]),
    st.integers(0, 2),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
OUTLINES = st.builds(
    Outline,
    st.lists(st.lists(STEPS, min_size=1, max_size=5).map(tuple), min_size=1, max_size=2).map(tuple),
    st.sampled_from([(), ("a",), ("a", "the")]),
    st.integers(0, 3),
    st.integers(1, 4),
    st.integers(1, 3),
)


def texts(outline: Outline) -> Iterator[str]:
    """All compressions, by trying all subsets of the steps and all fillers before each."""
    for passage in outline.passages:
        for kept in subsets(len(passage)):
            if not fits(passage, kept, outline):
                continue
            ways = [forms(passage[place].text) for place in kept]
            places = [-1, *kept]
            gaps = [passage[a + 1 : b] for a, b in itertools.pairwise(places)]
            before = [["", *fillers(outline, gap)] for gap in gaps]
            for words in itertools.product(*ways):
                for put_in in itertools.product(*before):
                    parts = [
                        part for pair in zip(put_in, words, strict=True) for part in pair if part
                    ]
                    text = " ".join(parts) + "."
                    yield text
                    yield text[0].upper() + text[1:]


def fillers(outline: Outline, gap: tuple[Step, ...]) -> list[str]:
    left_out = [step.text.lower() for step in gap]
    return [one for one in outline.fillers if left_out and left_out != [one]]


def subsets(size: int) -> Iterator[tuple[int, ...]]:
    for count in range(1, size + 1):
        yield from itertools.combinations(range(size), count)


def forms(word: str) -> list[str]:
    bare = word.rstrip(".,;:!?") or word
    return [bare, word] if word == f"{bare}," else [bare]


def fits(passage: tuple[Step, ...], kept: tuple[int, ...], outline: Outline) -> bool:
    return (
        sum(passage[i].weight for i in kept) >= outline.least
        and all(i in kept for i, step in enumerate(passage) if step.fixed)
        and (kept[0] == 0 or passage[kept[0] - 1].closes)
        and ends_well(passage, kept[-1])
        and all(
            fits_between(
                shape(passage[one]), shape_of_all(passage[one + 1 : other]), passage[other]
            )
            for one, other in itertools.pairwise(kept)
        )
        and all(size <= outline.run for size in runs(passage, kept, outline))
        and most_left_out(passage, kept) <= outline.skip
    )


def shape(step: Step) -> str:
    """A letter for the kind of word: c(ontent), a(rticle), v(erb's auxiliary), f(unction word),
    C for content that binds; and a comma where a clause ends.
    """
    if step.weight:
        kind = "C" if step.binds else "c"
    elif step.loose:
        kind = "a" if not step.binds else "A"
    else:
        kind = "v" if step.binds else "f"
    return kind + ("," if step.closes else "")


def shape_of_all(steps: tuple[Step, ...]) -> str:
    return "".join(map(shape, steps))


def ends_well(passage: tuple[Step, ...], last: int) -> bool:
    if last == len(passage) - 1:
        return True
    return bool(re.fullmatch(r"[cC],.*|[cC]f.*", shape_of_all(passage[last : last + 2])))


def fits_between(before: str, gap: str, step: Step) -> bool:
    articles = r"[aA]*([aA],)?"
    clauses = r".*,"
    phrase_of_a_clause = r"f[^,vCA]*,"
    modifiers = r"[cC]*"
    phrase = r"f[^,vCA]*"
    return bool(
        re.fullmatch(articles, gap)
        or (before.endswith(",") and re.fullmatch(clauses, gap))
        or (before[0] in "cC" and re.fullmatch(phrase_of_a_clause, gap))
        or (before[0] in "caf" and re.fullmatch(modifiers, gap) and step.weight)
        or (before[0] in "cC" and re.fullmatch(phrase, gap) and shape(step)[0] in "fv")
    )


def runs(passage: tuple[Step, ...], kept: tuple[int, ...], outline: Outline) -> list[int]:
    """Words of each run of neighbours; a single step is as long as it may be."""
    found: list[list[int]] = []
    for place in kept:
        if found and found[-1][-1] == place - 1:
            found[-1].append(place)
        else:
            found.append([place])
    sizes = [[len(re.findall(r"\w+", passage[place].text)) or 1 for place in run] for run in found]
    return [sum(run) if len(run) > 1 else min(sum(run), outline.run) for run in sizes]


def most_left_out(passage: tuple[Step, ...], kept: tuple[int, ...]) -> int:
    most = left_out = 0
    for place in range(kept[0], kept[-1]):
        if place not in kept:
            left_out += passage[place].weight
        elif passage[place].weight or passage[place].fixed:
            left_out = 0
        most = max(most, left_out)
    return most


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(outline=OUTLINES, data=st.data())
def test_holds_exactly_of_what_trying_all_finds(
    tiny: LoadedModel, outline: Outline, data: st.DataObject
) -> None:
    known = set(itertools.islice(texts(outline), 20_000))
    compression = Compression(outline, tiny.vocabulary)
    words = [step.text for passage in outline.passages for step in passage] + ["a", "the", "x"]
    drawn = data.draw(st.lists(st.sampled_from(words), min_size=1, max_size=6))
    guess = " ".join(drawn) + "."
    assert compression.holds(guess) == (guess in known)
    for text in sorted(known)[:20]:
        assert compression.holds(text), text


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(outline=OUTLINES, seed=st.integers(0, 1000))
def test_what_is_allowed_always_leads_to_an_end(
    tiny: LoadedModel, outline: Outline, seed: int
) -> None:
    compression = Compression(outline, tiny.vocabulary)
    if not compression.start:
        assert not list(itertools.islice(texts(outline), 1))
        return
    rng, reading, tokens = random.Random(seed), compression.start, list[int]()
    for _ in range(200):
        allowed = compression.allowed(reading).tolist()
        assert allowed
        token = rng.choice(allowed)
        if token in tiny.vocabulary.ends:
            text = str(tiny.tokenizer.decode(tokens)).strip()
            assert text in set(texts(outline))
            return
        tokens.append(token)
        reading = compression.advance(reading, token)
    raise AssertionError("no end")


def test_the_longest_passage_needs_no_deep_stack(tiny: LoadedModel) -> None:
    words = [f"w{number}" for number in range(128)]
    outline = Outline((tuple(map(Step, words)),), least=128, skip=0, run=128)
    check_outline(outline, Decoding(1, 8), "f")
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack()) + 100)
    try:
        compression = Compression(outline, tiny.vocabulary)
    finally:
        sys.setrecursionlimit(limit)
    assert compression.holds(f"{' '.join(words)}.")
    assert not compression.holds(f"{' '.join(words[:-1])}.")


def test_a_model_writes_along_its_outline(tiny: LoadedModel) -> None:
    passage = "A heap is an array whose smallest element stands at the very root of it."
    steps = tuple(Step(word, int(len(word) > 3)) for word in passage.split())
    outline = Outline((steps,), ("the",), least=4)
    decoding = Decoding(samples=16, max_new_tokens=120, temperature=1.0, seed=3)
    (samples,) = sample(tiny, [Prompt("a", "Return", (), outline)], decoding)
    ended = [one for one in samples if one.finished]
    assert ended
    assert all(one.clauses == (True,) for one in ended)
    assert all(one.clauses == (False,) for one in samples if not one.finished)
    assert len({one.text for one in ended}) > 1


def test_rows_of_prompts_without_an_outline_are_as_they_were(tiny: LoadedModel) -> None:
    decoding = Decoding(samples=2, max_new_tokens=8, temperature=0.9, seed=5)
    alone = sample(tiny, [Prompt("a", "Return the")], decoding)
    outline = Outline(((Step("heap"), Step("queue")),), least=1)
    torch.manual_seed(0)
    both = sample(
        tiny, [Prompt("a", "Return the"), Prompt("b", "Return the", (), outline)], decoding
    )
    assert [one.text for one in both[0]] == [one.text for one in alone[0]]
    assert both[0][0].clauses == ()


@pytest.mark.parametrize(
    ("outline", "field"),
    [
        (Outline(()), r"f\.passages"),
        (Outline(((Step("ab"),),), least=2), r"f\.passages"),
        (
            Outline(((Step("ab"),), (Step("ab"),) * 129)),
            r"f\.passages\[1\]: has 129 steps, the limit is 128",
        ),
        (Outline(((Step("a  b"),),), least=1), "'a  b'"),
        (Outline(((Step("ab"),),), ("",), least=1), "''"),
        (Outline(((Step("ab"),),), run=0, least=1), r"f\.run"),
    ],
)
def test_senseless_outlines_are_named(outline: Outline, field: str) -> None:
    with pytest.raises(InvalidArgument, match=field):
        check_outline(outline, Decoding(1, 8), "f")


def test_a_beam_is_refused() -> None:
    outline = Outline(((Step("ab"),),), least=1)
    with pytest.raises(InvalidArgument, match="beam"):
        check_outline(outline, Decoding(1, 8, beam=Beam()), "f")
