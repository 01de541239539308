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
    st.integers(0, 99),
)
def test_a_plan_keeps_to_budget_and_corpus(
    samples: int, size: int, budget: int, documents: int, start: int
) -> None:
    settings = recipe(samples=samples, documents_per_batch=size, budget=budget, target=1)
    if budget < samples:
        with pytest.raises(InvalidArgument, match="budget"):
            make_plan(settings, documents, start)
        return
    plan = make_plan(settings, documents, start)
    everything = list(range(documents))
    given_out = [d for batch in range(plan.batches) for d in plan.documents(everything, batch)]
    assert given_out
    assert len(given_out) == len(set(given_out))
    assert len(given_out) * samples <= budget
    assert given_out[0] == start % documents


def test_a_plan_goes_round_the_corpus() -> None:
    plan = make_plan(recipe(samples=1, documents_per_batch=2, budget=5, target=1), 5, 3)
    assert [plan.documents("abcde", batch) for batch in range(plan.batches)] == [
        ["d", "e"],
        ["a", "b"],
        ["c"],
    ]


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
