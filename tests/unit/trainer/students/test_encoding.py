from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from services.checkpoints.load import LoadedModel, load
from services.generator.scoring import score
from services.trainer.students.encoding import IGNORED, collate, encode, token_loss, tokens
from services.trainer.students.pairs import Pair
from stillhouse.generator.types import ScoreItem
from tests.support.tiny_model import make_tiny_model, make_tiny_seq2seq

TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=30)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, LoadedModel]:
    folder = tmp_path_factory.mktemp
    return {
        "llama": load(make_tiny_model(folder("llama"))),
        "t5": load(make_tiny_seq2seq(folder("t5"), "t5")),
        "bart": load(make_tiny_seq2seq(folder("bart"), "bart")),
    }


def loss(loaded: LoadedModel, pairs: list[Pair]) -> float:
    batch: dict[str, Any] = collate(int(loaded.tokenizer.pad_token_id))(
        [encode(pair, loaded) for pair in pairs]
    )
    labels = batch.pop("labels")
    with torch.inference_mode():
        logits = loaded.model(**batch).logits
    return float(token_loss(logits, labels, shifted=not loaded.has_encoder, count=None))


@given(prompt=TEXTS, target=TEXTS)
def test_a_causal_label_stands_on_the_target_and_the_end_alone(
    models: dict[str, LoadedModel], prompt: str, target: str
) -> None:
    loaded = models["llama"]
    row = encode(Pair(prompt, target), loaded)
    length = len(loaded.tokenizer(prompt)["input_ids"])
    assert row["labels"][:length] == [IGNORED] * length
    assert row["labels"][length:] == row["input_ids"][length:]
    assert row["labels"][-1] == loaded.tokenizer.eos_token_id
    assert loaded.tokenizer.decode(row["labels"][length:-1]) == target
    assert tokens(row) == len(row["input_ids"])


@given(prompt=TEXTS, target=TEXTS)
@pytest.mark.parametrize("kind", ["t5", "bart"])
def test_a_decoder_reads_the_target_one_place_behind_its_labels(
    models: dict[str, LoadedModel], kind: str, prompt: str, target: str
) -> None:
    loaded = models[kind]
    row = encode(Pair(prompt, target), loaded)
    assert len(row["labels"]) == len(row["decoder_input_ids"])
    assert [one for one in row["labels"] if one != IGNORED][:-1] == [
        one for place, one in enumerate(row["decoder_input_ids"]) if place > _forced(loaded)
    ]
    assert row["labels"][-1] == loaded.tokenizer.eos_token_id
    assert row["input_ids"] == loaded.tokenizer(prompt)["input_ids"]
    assert tokens(row) == len(row["input_ids"]) + len(row["decoder_input_ids"])


def _forced(loaded: LoadedModel) -> int:
    """The place of the last token that every text begins with."""
    return int(loaded.model.generation_config.forced_bos_token_id is not None)


@pytest.mark.parametrize("kind", ["llama", "t5", "bart"])
def test_the_loss_is_the_mean_of_what_the_generator_scores(
    models: dict[str, LoadedModel], kind: str
) -> None:
    """Padding, prompts and starts count for nothing; the end token is one of the target's."""
    loaded = models[kind]
    pairs = [
        Pair("a heap", " is an array"),
        Pair("another, longer document", " is it"),
        Pair("a", " b"),
    ]
    end = loaded.tokenizer.eos_token
    scored = score(loaded, [ScoreItem(pair.prompt, pair.target + end) for pair in pairs])
    expected = -sum(one.logprob for one in scored) / sum(one.tokens for one in scored)
    assert loss(loaded, pairs) == pytest.approx(expected, rel=1e-4)


def test_parts_of_a_batch_add_up_to_it(models: dict[str, LoadedModel]) -> None:
    logits = torch.randn(4, 7, 11, generator=torch.Generator().manual_seed(1))
    labels = torch.tensor([[IGNORED] * 2 + [3, 4, 5] + [IGNORED] * 2] * 3 + [[IGNORED] * 6 + [1]])
    for shifted in (False, True):
        count = torch.tensor(10)
        whole = token_loss(logits, labels, shifted=shifted, count=None)
        parts = [
            token_loss(logits[part], labels[part], shifted=shifted, count=count)
            for part in (slice(0, 1), slice(1, 4))
        ]
        torch.testing.assert_close(sum(parts), whole)
