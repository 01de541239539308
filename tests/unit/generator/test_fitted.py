from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from transformers import GPT2Config, GPT2LMHeadModel, MistralConfig, MistralForCausalLM

from services.checkpoints.load import LoadedModel, load
from services.generator.continued import CausalRows
from services.generator.fitted import fit
from services.generator.packed import PackedLinear
from services.generator.shared import shares
from stillhouse.generator.types import ModelPointer
from tests.support.tiny_model import make_tiny_model, make_tiny_seq2seq, tiny_tokenizer


@given(
    st.integers(0, 70),
    st.integers(1, 40),
    st.integers(1, 40),
    st.booleans(),
    st.integers(0, 2**31),
)
@settings(max_examples=40, deadline=None)
def test_a_packed_layer_gives_what_the_layer_gives(
    rows: int, inside: int, outside: int, bias: bool, seed: int
) -> None:
    torch.manual_seed(seed)
    linear = nn.Linear(inside, outside, bias=bias)
    packed = PackedLinear(linear)
    inputs = torch.randn(rows, 3, inside)
    with torch.inference_mode():
        torch.testing.assert_close(packed(inputs), linear(inputs), rtol=1e-4, atol=1e-5)
    assert torch.equal(packed.weight, linear.weight)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[LoadedModel, LoadedModel]:
    """A model as it was loaded, and fitted."""
    pointer = make_tiny_model(tmp_path_factory.mktemp("model"))
    return load(pointer), fit(load(pointer))


def logits_of(
    loaded: LoadedModel, lengths: list[int], repeats: int, keep: list[bool], steps: int
) -> torch.Tensor:
    """After prompts of random tokens, `steps` tokens, and some rows dropped half way."""
    torch.manual_seed(sum(lengths))
    longest = max(lengths)
    ids = torch.randint(2, loaded.model.config.vocab_size, (len(lengths), longest))
    mask = torch.ones_like(ids)
    for row, length in enumerate(lengths):
        mask[row, : longest - length] = 0
    encoded = {"input_ids": ids, "attention_mask": mask}
    with torch.inference_mode():
        rows = CausalRows(loaded, encoded, repeats, steps)
        fed = torch.randint(2, loaded.model.config.vocab_size, (steps, len(lengths) * repeats, 1))
        going = torch.tensor(keep)
        for step in range(steps):
            if step == steps // 2:
                rows.keep(going)
            rows.feed(fed[step] if step < steps // 2 else fed[step][going])
    return rows.logits


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_shared_prompts_give_the_logits_of_copied_ones(
    pair: tuple[LoadedModel, LoadedModel], data: st.DataObject
) -> None:
    lengths = data.draw(st.lists(st.integers(1, 30), min_size=1, max_size=4))
    repeats = data.draw(st.integers(1, 5))
    count = len(lengths) * repeats
    keep = data.draw(st.lists(st.booleans(), min_size=count, max_size=count).filter(any))
    steps = data.draw(st.integers(2, 6))
    plain, fitted = pair
    assert shares(fitted.model)
    assert not shares(plain.model)
    torch.testing.assert_close(
        logits_of(fitted, lengths, repeats, keep, steps),
        logits_of(plain, lengths, repeats, keep, steps),
        rtol=1e-4,
        atol=1e-4,
    )


def saved(model: GPT2LMHeadModel | MistralForCausalLM, folder: Path) -> ModelPointer:
    model.save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return ModelPointer(str(folder), "", 0)


def test_gpt2_shares_its_prompts(tmp_path: Path) -> None:
    torch.manual_seed(0)
    config = GPT2Config(vocab_size=400, n_embd=16, n_layer=2, n_head=2, n_positions=64)
    pointer = saved(GPT2LMHeadModel(config), tmp_path)
    plain, fitted = load(pointer), fit(load(pointer))
    assert shares(fitted.model)
    case = [5, 9], 3, [True, False, True, True, True, True], 4
    torch.testing.assert_close(
        logits_of(fitted, *case), logits_of(plain, *case), rtol=1e-4, atol=1e-4
    )


def test_a_model_with_a_window_copies_its_prompts(tmp_path: Path) -> None:
    torch.manual_seed(0)
    config = MistralConfig(
        vocab_size=400,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        sliding_window=8,
    )
    pointer = saved(MistralForCausalLM(config), tmp_path)
    plain, fitted = load(pointer), fit(load(pointer))
    assert not shares(fitted.model)
    case = [5, 20], 2, [True, True, False, True], 6
    torch.testing.assert_close(
        logits_of(fitted, *case), logits_of(plain, *case), rtol=1e-4, atol=1e-4
    )


def test_an_attention_that_adds_something_is_left_alone(tmp_path: Path) -> None:
    loaded = load(make_tiny_model(tmp_path))
    model = loaded.model

    def louder(_: nn.Module, __: object, given: tuple[torch.Tensor, None]) -> object:
        return (given[0] * 2, None) if shares(model) else given

    for layer in model.model.layers:
        layer.self_attn.register_forward_hook(louder)
    assert not shares(fit(loaded).model)


def test_a_model_with_an_encoder_stays_as_it_is(tmp_path: Path) -> None:
    fitted = fit(load(make_tiny_seq2seq(tmp_path, "t5")))
    assert not shares(fitted.model)
    assert not any(isinstance(one, PackedLinear) for one in fitted.model.modules())


def test_the_number_of_parameters_stays(pair: tuple[LoadedModel, LoadedModel]) -> None:
    plain, fitted = pair
    assert fitted.parameters == plain.parameters == plain.model.num_parameters()
