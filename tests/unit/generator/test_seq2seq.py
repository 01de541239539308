"""Models with an encoder, against the same model run whole at every step."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch

from services.checkpoints.load import LoadedModel, load
from services.generator.memory import footprint
from services.generator.nucleus import draw, uniforms
from services.generator.sampling import sample
from services.generator.scoring import score
from services.generator.searching import search
from stillhouse.errors import InvalidArgument
from stillhouse.generator.types import Beam, Clause, Decoding, Literal, Prompt, ScoreItem
from tests.support.tiny_model import make_tiny_seq2seq

PROMPTS = [Prompt("a", "Return the"), Prompt("b", "A heap is an array of elements where each is")]
FORCED = 5  # the token that the tiny BART must begin with


@pytest.fixture(scope="module", params=["t5", "bart"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    return load(make_tiny_seq2seq(tmp_path_factory.mktemp(request.param), request.param))


def start_of(loaded: LoadedModel) -> list[int]:
    first = [int(loaded.tokenizer.convert_tokens_to_ids("<|start|>"))]  # type: ignore[arg-type]
    return first if loaded.model.config.model_type == "t5" else [*first, FORCED]


def whole(loaded: LoadedModel, prompt: str, tokens: list[int]) -> torch.Tensor:
    """Log-probabilities (1 + tokens, vocabulary) of each place, without any cache."""
    read = loaded.tokenizer(prompt, return_tensors="pt")
    start = start_of(loaded)
    with torch.inference_mode():
        logits: torch.Tensor = loaded.model(
            input_ids=read["input_ids"], decoder_input_ids=torch.tensor([start + tokens])
        ).logits[0]
    return logits[len(start) - 1 :].log_softmax(-1)


def decoded(loaded: LoadedModel, tokens: list[int]) -> str:
    return str(loaded.tokenizer.decode(tokens, skip_special_tokens=True))


def test_reads_the_end_token_and_pads_behind_it(model: LoadedModel) -> None:
    assert model.has_encoder
    assert model.tokenizer.padding_side == "right"
    assert model.tokenizer("Return")["input_ids"][-1] == model.tokenizer.eos_token_id


@pytest.mark.parametrize("temperature", [0.0, 0.8])
def test_sampling_equals_decoding_one_by_one(model: LoadedModel, temperature: float) -> None:
    decoding = Decoding(samples=3, max_new_tokens=10, temperature=temperature, top_p=0.9, seed=7)
    for prompt, group in zip(PROMPTS, sample(model, PROMPTS, decoding), strict=True):
        for index, one in enumerate(group):
            stream = uniforms(decoding.seed, prompt.id, index, decoding.max_new_tokens)
            tokens: list[int] = []
            logprob = 0.0
            for step in range(decoding.max_new_tokens):
                logprobs = whole(model, prompt.text, tokens)[-1:]
                token = int(
                    draw(logprobs, stream[step : step + 1], temperature=temperature, top_p=0.9)
                )
                tokens.append(token)
                logprob += float(logprobs[0, token])
                ended = token == model.tokenizer.eos_token_id
                if ended or "\n" in decoded(model, tokens).lstrip():
                    break
            assert one.tokens == len(tokens)
            assert one.text == decoded(model, tokens).strip().partition("\n")[0].strip()
            assert one.logprob == pytest.approx(logprob, abs=1e-3)


def test_greedy_equals_generate(model: LoadedModel) -> None:
    read = model.tokenizer(PROMPTS[1].text, return_tensors="pt")
    generate: Any = model.model.generate
    start = start_of(model)
    expected = generate(
        input_ids=read["input_ids"],
        attention_mask=read["attention_mask"],
        max_new_tokens=8 + len(start) - 1,
        do_sample=False,
    )[0, len(start) :].tolist()
    one = sample(model, PROMPTS[1:], Decoding(1, 8, temperature=0.0))[0][0]
    assert decoded(model, expected).strip().partition("\n")[0].startswith(one.text)


def test_a_prompt_alone_and_in_a_batch_give_the_same(model: LoadedModel) -> None:
    decoding = Decoding(samples=4, max_new_tokens=8, seed=1)
    together = sample(model, PROMPTS, decoding)
    alone = [sample(model, [prompt], decoding)[0] for prompt in PROMPTS]
    assert [[s.text for s in g] for g in together] == [[s.text for s in g] for g in alone]


def test_a_small_budget_cuts_the_batch_and_changes_nothing(model: LoadedModel) -> None:
    decoding = Decoding(samples=4, max_new_tokens=8, seed=1)
    longest = max(len(model.tokenizer(prompt.text)["input_ids"]) for prompt in PROMPTS)
    budget = 2 * footprint(model.model.config).row(longest + 8)
    cut = sample(model, PROMPTS, decoding, budget=budget)
    assert [[s.text for s in g] for g in cut] == [
        [s.text for s in g] for g in sample(model, PROMPTS, decoding)
    ]


def test_memory_counts_what_a_row_keeps(model: LoadedModel) -> None:
    """Two decoder layers of four heads of eight, keys and values, four bytes each."""
    assert footprint(model.model.config).token == 2 * 2 * 4 * 8 * 4


def test_scores_equal_running_whole(model: LoadedModel) -> None:
    continuations = ["the heap of a list", "", "array", "Return the the"]
    items = [ScoreItem(p.text, c) for p in PROMPTS for c in continuations]
    for item, found in zip(items, score(model, items, per_token=True), strict=True):
        ids = model.tokenizer(item.continuation, add_special_tokens=False)["input_ids"]
        logprobs = whole(model, item.prefix, ids)[:-1]
        expected = [float(logprobs[place, token]) for place, token in enumerate(ids)]
        assert found.tokens == len(ids)
        assert found.logprob == pytest.approx(sum(expected), abs=1e-3)
        assert list(found.token_logprobs) == pytest.approx(expected, abs=1e-3)


def test_beam_one_without_clauses_is_greedy(model: LoadedModel) -> None:
    found = search(model, PROMPTS, Beam(width=1, no_repeat=0), samples=1, max_new_tokens=8)
    greedy = sample(model, PROMPTS, Decoding(1, 8, temperature=0.0))
    assert [g[0].text for g in found] == [g[0].text for g in greedy]


@pytest.mark.parametrize("beam", [None, Beam(width=4), Beam(width=4, look_ahead=2)])
def test_constraints_hold(model: LoadedModel, beam: Beam | None) -> None:
    clauses = (Clause((Literal(("heap",)),)), Clause((Literal(("a",), exclude=True),)))
    prompts = [Prompt(prompt.id, prompt.text, clauses) for prompt in PROMPTS]
    if beam is None:
        groups = sample(model, prompts, Decoding(samples=2, max_new_tokens=12, seed=4))
    else:
        groups = search(model, prompts, beam, samples=2, max_new_tokens=12)
    found = [one for group in groups for one in group]
    for one in found:
        words = re.findall("[A-Za-z]+", one.text.lower())
        assert one.clauses == ("heap" in words, "a" not in words)
        assert one.clauses[1]
    assert any(one.clauses[0] for one in found)


def test_a_text_over_the_context_is_refused(model: LoadedModel) -> None:
    long = "heap " * 300
    if model.model.config.model_type == "t5":  # its positions are relative
        assert sample(model, [Prompt("x", long)], Decoding(1, 2))[0][0].tokens
        return
    with pytest.raises(InvalidArgument, match="prompts"):
        sample(model, [Prompt("x", long)], Decoding(1, 8))
    with pytest.raises(InvalidArgument, match="items"):
        score(model, [ScoreItem("heap", long)])
