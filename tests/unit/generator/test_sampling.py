from __future__ import annotations

import random
from typing import Any

import pytest
import torch

from services.checkpoints.load import LoadedModel
from services.generator.constraints.occurrence import satisfied
from services.generator.nucleus import draw, uniforms
from services.generator.sampling import sample
from stillhouse.errors import Cancelled, InvalidArgument
from stillhouse.generator.types import Clause, Decoding, Literal, Prompt
from tests.support.likelihood import logprob

PROMPTS = [Prompt("a", "Return the"), Prompt("b", "A heap is an array of elements where each is")]


def decoded(loaded: LoadedModel, tokens: list[int]) -> str:
    return str(loaded.tokenizer.decode(tokens, skip_special_tokens=True))


def naive_tokens(loaded: LoadedModel, prompt: Prompt, index: int, decoding: Decoding) -> list[int]:
    """One sample by running the whole sequence through the model at every step."""
    ids = loaded.tokenizer(prompt.text, add_special_tokens=False)["input_ids"]
    stream = uniforms(decoding.seed, prompt.id, index, decoding.max_new_tokens)
    tokens: list[int] = []
    for step in range(decoding.max_new_tokens):
        with torch.inference_mode():
            logits = loaded.model(torch.tensor([ids + tokens])).logits[:, -1]
        token = int(
            draw(
                logits,
                stream[step : step + 1],
                temperature=decoding.temperature,
                top_p=decoding.top_p,
            )
        )
        tokens.append(token)
        if token == loaded.tokenizer.eos_token_id:
            break
        if "\n" in decoded(loaded, tokens).lstrip():
            break
    return tokens


@pytest.mark.parametrize("temperature", [0.0, 0.8])
def test_equals_decoding_one_by_one(tiny: LoadedModel, temperature: float) -> None:
    decoding = Decoding(samples=3, max_new_tokens=12, temperature=temperature, top_p=0.9, seed=7)
    groups = sample(tiny, PROMPTS, decoding)
    for prompt, group in zip(PROMPTS, groups, strict=True):
        for index, one in enumerate(group):
            tokens = naive_tokens(tiny, prompt, index, decoding)
            text = decoded(tiny, tokens).strip()
            assert one.tokens == len(tokens)
            assert one.text == (text.splitlines() or [""])[0].strip()


def test_greedy_equals_generate(tiny: LoadedModel) -> None:
    encoded = tiny.tokenizer(PROMPTS[1].text, add_special_tokens=False, return_tensors="pt")
    generate: Any = tiny.model.generate
    expected = generate(**encoded, max_new_tokens=8, do_sample=False, use_cache=True)
    new = expected[0, encoded["input_ids"].shape[-1] :]
    text = decoded(tiny, new.tolist()).strip()
    one = sample(tiny, PROMPTS[1:], Decoding(1, 8, temperature=0.0))[0][0]
    assert (text.splitlines() or [""])[0].startswith(one.text)


def test_same_seed_same_samples_other_seed_other_samples(tiny: LoadedModel) -> None:
    decoding = Decoding(samples=4, max_new_tokens=10, seed=1)
    assert sample(tiny, PROMPTS, decoding) == sample(tiny, PROMPTS, decoding)
    other = Decoding(samples=4, max_new_tokens=10, seed=2)
    assert sample(tiny, PROMPTS, decoding) != sample(tiny, PROMPTS, other)


def test_samples_of_one_prompt_differ(tiny: LoadedModel) -> None:
    group = sample(tiny, PROMPTS[:1], Decoding(samples=8, max_new_tokens=12, seed=3))[0]
    assert len({one.text for one in group}) > 4


def test_logprob_is_that_of_the_plain_model(tiny: LoadedModel) -> None:
    decoding = Decoding(samples=2, max_new_tokens=6, temperature=0.7, top_p=0.8, seed=5)
    one = sample(tiny, PROMPTS[:1], decoding)[0][1]
    tokens = naive_tokens(tiny, PROMPTS[0], 1, decoding)
    assert one.logprob == pytest.approx(logprob(tiny, PROMPTS[0].text, tokens), abs=1e-3)


def test_the_length_limit_is_told_from_an_end(tiny: LoadedModel) -> None:
    groups = sample(tiny, PROMPTS, Decoding(samples=8, max_new_tokens=3, seed=0))
    for one in (one for group in groups for one in group):
        assert one.tokens <= 3
        assert one.finished or one.tokens == 3


def test_no_prompts_no_samples(tiny: LoadedModel) -> None:
    assert sample(tiny, [], Decoding(1, 1)) == []


def test_a_prompt_over_the_context_is_refused(tiny: LoadedModel) -> None:
    with pytest.raises(InvalidArgument, match="context"):
        sample(tiny, [Prompt("long", "word " * 4000)], Decoding(1, 4))


def test_an_empty_prompt_is_refused(tiny: LoadedModel) -> None:
    with pytest.raises(InvalidArgument, match="at least one token"):
        sample(tiny, [Prompt("empty", "")], Decoding(1, 4))


def test_stops_when_the_caller_gave_up(tiny: LoadedModel) -> None:
    with pytest.raises(Cancelled):
        sample(tiny, PROMPTS, Decoding(1, 4), cancelled=lambda: True)


def test_constrained_samples_meet_their_clauses_and_differ(tiny: LoadedModel) -> None:
    clauses = (Clause((Literal(("heap", "heaps")),)), Clause((Literal(("the",), exclude=True),)))
    prompt = Prompt("a", "Return the", clauses)
    decoding = Decoding(samples=8, max_new_tokens=16, seed=3, guidance=2.0)
    group = sample(tiny, [prompt, Prompt("b", "Return the")], decoding)
    assert all(one.clauses == (True, True) for one in group[0])
    assert len({one.text for one in group[0]}) > 4
    assert all(one.clauses == () for one in group[1])


def test_constraints_of_one_prompt_leave_the_others_alone(tiny: LoadedModel) -> None:
    decoding = Decoding(samples=3, max_new_tokens=10, seed=3, guidance=2.0)
    prompt = Prompt("x", "A heap", (Clause((Literal(("parser",)),)),))
    with_it = sample(tiny, [prompt, *PROMPTS], decoding)[1:]
    without = sample(tiny, PROMPTS, decoding)
    assert [one.text for group in with_it for one in group] == [
        one.text for group in without for one in group
    ]


def test_what_cannot_be_met_is_told(tiny: LoadedModel) -> None:
    clauses = (Clause((Literal(("argument parser for all of them",)),)),)
    one = sample(tiny, [Prompt("a", "Return", clauses)], Decoding(1, 3, seed=1, guidance=2.0))
    assert one[0][0].clauses == (False,)


WORDS = ["heap", "array", "list", "sort", "parser", "argument", "option", "help", "text", "key"]


def test_two_hundred_keyword_sets_are_met_or_told_of(tiny: LoadedModel) -> None:
    draws = random.Random(1)
    prompts = []
    for number in range(200):
        words = draws.sample(WORDS, 3)
        clauses = (
            Clause((Literal((words[0], words[0] + "s")),)),
            Clause((Literal((words[1],)), Literal((words[2],), exclude=True))),
        )
        prompts.append(Prompt(str(number), "Return the", clauses))
    decoding = Decoding(samples=1, max_new_tokens=24, seed=2, guidance=3.0)
    groups = sample(tiny, prompts, decoding)
    for prompt, (one,) in zip(prompts, groups, strict=True):
        assert one.clauses == satisfied(prompt.constraints, one.text)
    assert sum(all(one.clauses) for (one,) in groups) >= 195


def test_avoided_phrases_never_appear(tiny: LoadedModel) -> None:
    """However the model spells them: the first letters of its words are forbidden words."""
    avoided = Clause((Literal(("a", "he", "the", "is", "s", "-", "é"), exclude=True),))
    prompts = [Prompt(str(number), "Return the", (avoided,)) for number in range(16)]
    for limit in (1, 6, 30):
        groups = sample(tiny, prompts, Decoding(samples=4, max_new_tokens=limit, seed=4))
        assert all(one.clauses == (True,) for group in groups for one in group)
