from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.trainer.prompts import decoding_of, derived_seed, make_plan, make_prompt
from stillhouse.errors import InvalidArgument
from stillhouse.recipe import PromptTemplate, Recipe
from tests.support.tiny_model import tiny_tokenizer


def recipe(**generation: int) -> Recipe:
    return Recipe.model_validate({"generation": generation})


@given(
    st.integers(1, 8),
    st.integers(1, 5),
    st.integers(1, 200),
    st.integers(1, 60),
    st.lists(st.integers(1, 40), min_size=1, max_size=6),
)
def test_no_document_is_used_in_two_generations(
    samples: int, size: int, budget: int, documents: int, used: list[int]
) -> None:
    """`used` is how many batches of its plan each generation gets to, at most."""
    settings = recipe(samples=samples, documents_per_batch=size, budget=budget, target=1)
    if budget < samples:
        with pytest.raises(InvalidArgument, match="budget"):
            make_plan(settings, documents, 0)
        return
    everything = list(range(documents))
    consumed = 0
    given_out: list[int] = []
    for batches in used:
        plan = make_plan(settings, documents, consumed)
        mine = [d for batch in range(plan.batches) for d in plan.documents(everything, batch)]
        assert len(mine) * samples <= budget
        assert bool(mine) == (len(given_out) < documents)
        assert all(plan.documents(everything, batch) for batch in range(plan.batches))
        for batch in range(min(batches, plan.batches)):
            given_out += plan.documents(everything, batch)
        consumed += min(batches, plan.batches) * plan.size
    assert given_out == everything[: len(given_out)]


def test_a_plan_ends_with_the_corpus() -> None:
    plan = make_plan(recipe(samples=1, documents_per_batch=2, budget=5, target=1), 5, 2)
    assert [plan.documents("abcde", batch) for batch in range(plan.batches)] == ["cd", "e"]
    assert make_plan(recipe(samples=1, budget=5, target=1), 5, 5).batches == 0


def test_a_plan_ends_with_the_budget() -> None:
    plan = make_plan(recipe(samples=2, documents_per_batch=2, budget=11, target=1), 9, 0)
    assert (plan.size, plan.batches) == (2, 2)


def test_chat_markup_is_applied() -> None:
    template = PromptTemplate(template="Say: {document}", chat=True)
    assert make_prompt("x{y}", template, tiny_tokenizer()) == "<|start|>Say: x{y}<|end|><|start|>"


def test_without_chat_the_prompt_is_the_template() -> None:
    template = PromptTemplate(template="{document}\n\nTL;DR:", chat=False)
    assert make_prompt("text", template, tiny_tokenizer()) == "text\n\nTL;DR:"


def test_chat_needs_a_chat_template() -> None:
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = None
    with pytest.raises(InvalidArgument, match=r"recipe\.prompt\.chat"):
        make_prompt("text", PromptTemplate(), tokenizer)


def test_generations_sample_with_seeds_of_their_own() -> None:
    seeds = {decoding_of(Recipe(seed=s), g).seed for s in (0, 1) for g in (1, 2)}
    assert len(seeds) == 4
    assert all(0 <= derived_seed(s, "x") < 2**63 for s in range(100))
