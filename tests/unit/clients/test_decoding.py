"""Mixing while decoding: a tiny real model and a real index service."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, LogitsProcessorList

from services.index.build import build_index
from stillhouse.decoding import InfgramLogitsProcessor
from stillhouse.errors import InvalidArgument
from stillhouse.generator.types import Infgram
from stillhouse.index.client import IndexClient
from tests.support.mixture import naive_mixture
from tests.support.service_process import started
from tests.support.small_index import TEXTS
from tests.support.tiny_model import make_tiny_model

NEW = 12


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("decoding")
    make_tiny_model(root / "model")
    build_index(TEXTS, root / "model" / "tokenizer.json", root / "index")
    return root


@pytest.fixture(scope="module")
def client(folder: Path) -> Iterator[IndexClient]:
    with started("services.index", INDEXES=f"one={folder}/index") as one:
        one.wait_for("index ready")
        with IndexClient(one.target) as ask:
            yield ask


@pytest.fixture(scope="module")
def model(folder: Path) -> Any:
    return AutoModelForCausalLM.from_pretrained(folder / "model").eval()


def ids(folder: Path, *texts: str) -> list[list[int]]:
    tokenizer = AutoTokenizer.from_pretrained(folder / "model")
    return [tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]


def test_a_weight_of_nothing_changes_nothing(client: IndexClient, folder: Path, model: Any) -> None:
    inputs = torch.tensor(ids(folder, "the still runs"))
    with InfgramLogitsProcessor(client, sparse=0, non_sparse=0, end=0) as processor:
        for sampled in (False, True):
            torch.manual_seed(1)
            plain = model.generate(inputs, max_new_tokens=NEW, do_sample=sampled)
            torch.manual_seed(1)
            mixed = model.generate(
                inputs, max_new_tokens=NEW, do_sample=sampled,
                logits_processor=LogitsProcessorList([processor]),
            )  # fmt: skip
            assert plain.tolist() == mixed.tolist()


@pytest.mark.parametrize("least", [1, 3])
def test_scores_are_the_mixture(client: IndexClient, folder: Path, model: Any, least: int) -> None:
    texts = ids(folder, "the still runs hot and the", "only the hearts are kept", "the")
    steps = [[one[:size] for one in texts] for size in (1, 2, 3)]
    steps += [[texts[1][:2], texts[0][:4]], [texts[0], texts[0]]]  # fewer rows, other texts
    corpus = ids(folder, *TEXTS)
    infgram = Infgram(0.3, 0.8, min_suffix=least)
    with InfgramLogitsProcessor(
        client, non_sparse=0.3, sparse=0.8, end=0, min_suffix=least
    ) as processor:
        for step in steps:
            rows: Any = torch.tensor([one[: min(map(len, step))] for one in step])
            with torch.inference_mode():
                logits = model(rows).logits[:, -1]
            scores = processor(rows, logits)
            found = scores.softmax(-1)  # where nothing is mixed in, they stay logits
            for row, text in enumerate(rows.tolist()):
                right = naive_mixture(corpus, text, logits[row], infgram, 0)
                torch.testing.assert_close(found[row], right, rtol=1e-4, atol=1e-6)
                if least == 1:
                    assert float(scores[row].exp().sum()) == pytest.approx(1, abs=1e-4)


def test_all_weight_on_the_index_writes_its_documents(
    client: IndexClient, folder: Path, model: Any
) -> None:
    """Padded rows, greedy and by beams: what follows in the corpus, to the document's end."""
    (whole,) = ids(folder, TEXTS[1])
    inputs = torch.tensor([[1, 1, *whole[:4]], [1, *whole[:5]]])
    mask = (inputs != 1).long()
    for beams in (1, 2):
        with InfgramLogitsProcessor(client, sparse=1, non_sparse=1, end=0, pad=1) as processor:
            found = model.generate(
                inputs, attention_mask=mask, max_new_tokens=30, do_sample=False, num_beams=beams,
                eos_token_id=0, pad_token_id=1,
                logits_processor=LogitsProcessorList([processor]),
            )  # fmt: skip
        for row in found.tolist():
            text = [token for token in row if token not in (0, 1)]
            assert text == whole


def test_a_weight_that_is_no_share_is_refused(client: IndexClient) -> None:
    with pytest.raises(InvalidArgument, match="sparse"):
        InfgramLogitsProcessor(client, sparse=1.5, non_sparse=0, end=0)
