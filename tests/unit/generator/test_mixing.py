"""An index mixed in while sampling: a tiny real model, a real index service, a slow twin."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from services.checkpoints.load import LoadedModel, load
from services.generator.candidates import candidate_id
from services.generator.decoding import decode
from services.generator.lines import first_line
from services.generator.memory import footprint
from services.generator.nucleus import draw, uniforms
from services.generator.sampling import sample
from services.index.build import build_index
from stillhouse.errors import FailedPrecondition, InvalidArgument
from stillhouse.generator.types import (
    Beam,
    Clause,
    Decoding,
    Infgram,
    Literal,
    Outline,
    Prompt,
    Step,
)
from stillhouse.index.client import IndexClient
from tests.support.mixture import naive_mixture
from tests.support.service_process import started
from tests.support.small_index import TEXTS
from tests.support.tiny_model import make_tiny_seq2seq

PROMPTS = [Prompt("a", "They say: the still runs"), Prompt("b", "only the hearts")]
INFGRAM = Infgram(weight=0.4, sparse_weight=0.7, min_suffix=2)
DECODING = Decoding(3, 10, temperature=0.8, top_p=0.9, seed=7, infgram=INFGRAM)


@pytest.fixture(scope="module")
def client(tiny: LoadedModel, tmp_path_factory: pytest.TempPathFactory) -> Iterator[IndexClient]:
    folder = tmp_path_factory.mktemp("mixing") / "index"
    build_index(TEXTS, Path(tiny.pointer.uri) / "tokenizer.json", folder)
    with started("services.index", INDEXES=f"one={folder}") as one:
        one.wait_for("index ready")
        with IndexClient(one.target) as ask:
            yield ask


def ids_of(loaded: LoadedModel, text: str) -> list[int]:
    return list(loaded.tokenizer(text, add_special_tokens=False)["input_ids"])


def decoded(loaded: LoadedModel, tokens: list[int]) -> str:
    return str(loaded.tokenizer.decode(tokens, skip_special_tokens=True))


def naive(loaded: LoadedModel, prompt: Prompt, index: int, decoding: Decoding) -> list[int]:
    """One sample by the whole text at every step, mixed by the definition."""
    assert decoding.infgram is not None
    corpus = [ids_of(loaded, one) for one in TEXTS]
    stream = uniforms(decoding.seed, prompt.id, index, decoding.max_new_tokens)
    tokens: list[int] = []
    for step in range(decoding.max_new_tokens):
        if loaded.has_encoder:
            written = torch.tensor([[loaded.model.config.decoder_start_token_id, *tokens]])
            read = loaded.tokenizer(prompt.text, return_tensors="pt")["input_ids"]
            told, asked = tokens, {"input_ids": read, "decoder_input_ids": written}
        else:
            told = ids_of(loaded, prompt.text) + tokens
            asked = {"input_ids": torch.tensor([told])}
        with torch.inference_mode():
            logits = loaded.model(**asked).logits[0, -1]
        end = int(loaded.tokenizer.eos_token_id)
        chances = naive_mixture(corpus, told, logits, decoding.infgram, end)
        one, top = decoding.temperature, decoding.top_p
        tokens.append(
            int(draw(chances.log()[None], stream[step : step + 1], temperature=one, top_p=top))
        )
        if tokens[-1] == end or "\n" in decoded(loaded, tokens).lstrip():
            break
    return tokens


@pytest.mark.parametrize("temperature", [0.0, 0.8])
def test_samples_are_those_of_the_mixture(
    tiny: LoadedModel, client: IndexClient, temperature: float
) -> None:
    decoding = replace(DECODING, temperature=temperature)
    groups = sample(tiny, PROMPTS, decoding, index=client)
    for prompt, group in zip(PROMPTS, groups, strict=True):
        for index, one in enumerate(group):
            tokens = naive(tiny, prompt, index, decoding)
            assert one.tokens == len(tokens)
            assert one.text == first_line(decoded(tiny, tokens))
    plain = sample(tiny, PROMPTS, replace(decoding, infgram=None))
    assert [one.text for group in groups for one in group] != [
        one.text for group in plain for one in group
    ]


def test_a_model_with_an_encoder_is_mixed_behind_its_own_words(
    client: IndexClient, tmp_path: Path
) -> None:
    loaded = load(make_tiny_seq2seq(tmp_path / "t5", "t5"))
    decoding = replace(DECODING, infgram=replace(INFGRAM, min_suffix=1))
    groups = sample(loaded, PROMPTS, decoding, index=client)
    for prompt, group in zip(PROMPTS, groups, strict=True):
        for index, one in enumerate(group):
            tokens = naive(loaded, prompt, index, decoding)
            assert one.text == first_line(decoded(loaded, tokens))


def test_the_logprob_is_that_of_the_plain_model(tiny: LoadedModel, client: IndexClient) -> None:
    one = sample(tiny, PROMPTS[:1], DECODING, index=client)[0][1]
    tokens = naive(tiny, PROMPTS[0], 1, DECODING)
    ids = ids_of(tiny, PROMPTS[0].text)
    with torch.inference_mode():
        logprobs = tiny.model(torch.tensor([ids + tokens])).logits[0].log_softmax(-1)
    expected = sum(float(logprobs[len(ids) + i - 1, t]) for i, t in enumerate(tokens))
    assert one.logprob == pytest.approx(expected, abs=1e-3)


def test_all_weight_on_the_index_writes_its_documents(
    tiny: LoadedModel, client: IndexClient
) -> None:
    decoding = Decoding(2, 30, seed=1, infgram=Infgram(1.0, 1.0))
    (group,) = sample(tiny, PROMPTS[1:], decoding, index=client)
    for one in group:
        assert "only the hearts " + one.text == TEXTS[1]
        assert one.finished


def test_neither_passes_nor_neighbours_change_a_sample(
    tiny: LoadedModel, client: IndexClient
) -> None:
    decoding = replace(DECODING, samples=5, max_new_tokens=16)
    whole = sample(tiny, PROMPTS, decoding, index=client)
    small = 2 * footprint(tiny.model.config).row(40)
    assert sample(tiny, PROMPTS, decoding, budget=small, index=client) != []
    parts = sample(tiny, PROMPTS, decoding, budget=small, index=client)
    assert [[one.text for one in group] for group in parts] == [
        [one.text for one in group] for group in whole
    ]


def test_constraints_hold_on_the_mixture(tiny: LoadedModel, client: IndexClient) -> None:
    clauses = (Clause((Literal(("heap",)),)), Clause((Literal(("hot",), exclude=True),)))
    prompts = [Prompt("a", "the still runs", clauses)]
    decoding = Decoding(6, 24, seed=3, guidance=3.0, infgram=Infgram(0.9, 0.9))
    (group,) = sample(tiny, prompts, decoding, index=client)
    assert all(one.clauses == (True, True) for one in group)
    assert group == sample(tiny, prompts, decoding, index=client)[0]


def test_an_outline_holds_on_the_mixture(tiny: LoadedModel, client: IndexClient) -> None:
    outline = Outline((tuple(map(Step, TEXTS[2].split())),), run=4, least=4)
    prompts = [Prompt("a", "In short:", outline=outline)]
    decoding = Decoding(4, 60, seed=3, infgram=Infgram(0.7, 0.9))
    (group,) = sample(tiny, prompts, decoding, index=client)
    assert all(one.clauses == (True,) for one in group)
    assert group == sample(tiny, prompts, decoding, index=client)[0]


def test_a_beam_is_refused(tiny: LoadedModel, client: IndexClient) -> None:
    with pytest.raises(InvalidArgument, match=r"decoding\.infgram: can't be mixed into a beam"):
        decode(tiny, PROMPTS, replace(DECODING, beam=Beam(width=4)), index=client)


def test_without_an_index_it_is_refused(tiny: LoadedModel) -> None:
    with pytest.raises(FailedPrecondition, match="needs an index"):
        sample(tiny, PROMPTS, DECODING)


def test_a_candidate_is_another_with_another_index() -> None:
    kinds = [None, INFGRAM, replace(INFGRAM, weight=0.5), replace(INFGRAM, digest="ab" * 32)]
    decodings = [replace(DECODING, infgram=one) for one in kinds]
    found = {candidate_id("run", 1, "a", "cd" * 32, one, 0) for one in decodings}
    assert len(found) == len(kinds)
