from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from services.checkpoints.load import LoadedModel, load
from services.generator.scoring import score
from services.trainer.students.layers import kept, with_layers
from stillhouse.errors import InvalidArgument
from stillhouse.generator.types import ModelPointer, ScoreItem
from tests.support.tiny_model import make_tiny_gpt2, make_tiny_model, make_tiny_seq2seq

ITEM = ScoreItem("a heap is", " an array")


@pytest.fixture(scope="module")
def deep(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ModelPointer]:
    """Models of five layers a stack."""
    folder = tmp_path_factory.mktemp
    return {
        "llama": make_tiny_model(folder("llama"), layers=5),
        "gpt2": make_tiny_gpt2(folder("gpt2"), layers=5),
        "t5": make_tiny_seq2seq(folder("t5"), "t5", layers=5),
        "bart": make_tiny_seq2seq(folder("bart"), "bart", layers=5),
    }


@given(st.integers(2, 80), st.integers(2, 80))
def test_kept_layers_are_spread_from_the_first_to_the_last(total: int, keep: int) -> None:
    assume(keep <= total)
    layers = kept(total, keep)
    assert len(layers) == len(set(layers)) == keep
    assert layers == sorted(layers)
    assert (layers[0], layers[-1]) == (0, total - 1)
    ideal = (total - 1) / (keep - 1)
    assert all(abs(layer - place * ideal) < 0.5001 for place, layer in enumerate(layers))


def test_of_twelve_six_are_those_of_distilbert() -> None:
    assert kept(12, 6) == [0, 2, 4, 7, 9, 11]


@pytest.mark.parametrize(("total", "keep"), [(5, 1), (5, 6), (1, 1)])
def test_what_cant_be_kept_names_the_key(total: int, keep: int) -> None:
    with pytest.raises(InvalidArgument, match=r"recipe\.student\.layers"):
        kept(total, keep)


def stacks(loaded: LoadedModel) -> list[Any]:
    model: Any = loaded.model
    return {
        "LlamaForCausalLM": lambda: [model.model.layers],
        "GPT2LMHeadModel": lambda: [model.transformer.h],
        "T5ForConditionalGeneration": lambda: [model.encoder.block, model.decoder.block],
        "BartForConditionalGeneration": lambda: [
            model.model.encoder.layers,
            model.model.decoder.layers,
        ],
    }[type(model).__name__]()


@pytest.mark.parametrize("kind", ["llama", "gpt2", "t5", "bart"])
def test_the_smaller_model_is_the_kept_layers_of_the_larger(
    kind: str, deep: dict[str, ModelPointer], tmp_path: Path
) -> None:
    """Against taking the layers out by hand, in each architecture's own attributes."""
    whole = load(deep[kind])
    smaller = with_layers(whole, 3)
    assert smaller.parameters < whole.parameters
    for few, many in zip(stacks(smaller), stacks(whole), strict=True):
        assert len(few) == 3
        for place, layer in enumerate((0, 2, 4)):
            wanted = many[layer].state_dict()
            assert few[place].state_dict().keys() == wanted.keys()
            assert all(torch.equal(v, wanted[n]) for n, v in few[place].state_dict().items())
    smaller.model.save_pretrained(tmp_path)
    smaller.tokenizer.save_pretrained(tmp_path)
    again = load(ModelPointer(str(tmp_path)))
    assert score(again, [ITEM])[0].logprob == pytest.approx(score(smaller, [ITEM])[0].logprob)


@pytest.mark.parametrize("kind", ["llama", "t5"])
def test_the_same_layers_give_the_same_model(kind: str, deep: dict[str, ModelPointer]) -> None:
    """Layers whose output is nothing but their input may go without any change."""
    whole = load(deep[kind])
    with torch.no_grad():
        for stack in stacks(whole):
            for layer in (1, 3):
                for name, weight in stack[layer].named_parameters():
                    if any(part in name for part in ("o_proj", "down_proj", ".o.", ".wo.")):
                        weight.zero_()
    before = score(whole, [ITEM])[0].logprob
    assert score(with_layers(whole, 3), [ITEM])[0].logprob == pytest.approx(before, abs=1e-4)


@pytest.mark.parametrize("tied", [True, False])
def test_weights_that_were_shared_stay_so_and_no_others(
    tied: bool, deep: dict[str, ModelPointer]
) -> None:
    """As in T5 v1.1 and Flan: one table for all that is read, another for what is written."""
    whole = load(deep["t5"])
    model: Any = whole.model
    model.encoder.embed_tokens.weight = model.decoder.embed_tokens.weight = model.shared.weight
    if tied:
        model.lm_head.weight = model.shared.weight
    smaller: Any = with_layers(whole, 2).model
    assert smaller.encoder.embed_tokens.weight is smaller.shared.weight
    assert smaller.decoder.embed_tokens.weight is smaller.shared.weight
    assert (smaller.lm_head.weight is smaller.shared.weight) is tied
    assert torch.equal(smaller.lm_head.weight, model.lm_head.weight)
    assert smaller.config.scale_decoder_outputs == model.config.scale_decoder_outputs


def test_a_model_of_that_size_is_left_alone(deep: dict[str, ModelPointer]) -> None:
    whole = load(deep["llama"])
    assert with_layers(whole, 5) is whole


def test_more_layers_than_there_are_name_the_key(deep: dict[str, ModelPointer]) -> None:
    with pytest.raises(InvalidArgument, match=r"recipe\.student\.layers: 6 of 5"):
        with_layers(load(deep["gpt2"]), 6)


def test_kinds_of_layers_are_kept_with_their_layers(deep: dict[str, ModelPointer]) -> None:
    whole = load(deep["llama"])
    kinds = ["full_attention", "sliding_attention"] * 2 + ["full_attention"]
    whole.model.config.layer_types = kinds
    smaller = with_layers(whole, 3)
    assert smaller.model.config.layer_types == ["full_attention"] * 3
