"""Masked infilling: the masks, the scores from answers, and a T5 that knows the game."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.checkpoints.load import LoadedModel, load
from services.filter.cascade import evaluate
from services.filter.evidence import Backends
from services.filter.masking import check_infills, infilling, infilling_items, masks
from services.generator.scoring import score
from stillhouse.errors import FailedPrecondition, InvalidArgument
from stillhouse.filter.types import Candidate, Cascade, Document, LayerConfig, Verdict
from stillhouse.generator.types import ModelDescription, ModelPointer, Score, ScoreItem
from stillhouse.text.words import content_words
from tests.support.tiny_infilling import make_document, make_tiny_infilling
from tests.unit.filter.fakes import GOOD, SOURCE, FakeCritic, FakeIndex

TEXTS = st.one_of(
    st.text(max_size=200),
    st.lists(st.sampled_from(["The", "reader", "opens", "2", "漢字", "<extra_id_0>", "."])).map(
        " ".join
    ),
)
_SENTINEL = re.compile(r"<extra_id_\d+>")


def filled(masked: str, target: str) -> str:
    """The text with the target's spans in the place of its sentinels."""
    spans = [part.strip() for part in _SENTINEL.split(target)[1:]]
    pieces = _SENTINEL.split(masked)
    assert len(pieces) == len(spans) + 1
    return "".join(f"{p}{s}" for p, s in zip(pieces, [*spans, ""], strict=True))


@given(TEXTS)
def test_every_content_word_is_masked_exactly_once(text: str) -> None:
    clean = text.replace("<extra_id_", "<extra id ")
    words = [mask.target[start:end] for mask in masks(text) for start, end in mask.words]
    assert sorted(content_words(" ".join(words))) == sorted(content_words(clean))
    for mask in masks(text):
        assert re.sub(r"\s+", " ", filled(mask.masked, mask.target)) == re.sub(r"\s+", " ", clean)
        numbers = [int(n) for n in re.findall(r"<extra_id_(\d+)>", mask.target)]
        assert numbers == list(range(len(numbers)))
        assert len(numbers) <= 100
        assert re.findall(r"<extra_id_(\d+)>", mask.masked) == list(map(str, numbers))


def test_both_terms_have_the_same_masks_and_ask_for_the_same() -> None:
    items = infilling_items(GOOD, SOURCE)
    assert len(items) == 2 * len(masks(GOOD)) == 6
    for one, other in zip(items[::2], items[1::2], strict=True):
        assert one.continuation == other.continuation
        assert one.prefix == f"{SOURCE}\n{other.prefix}"


def test_a_long_text_never_needs_more_sentinels_than_there_are() -> None:
    text = " the ".join(f"word{n}" for n in range(1000))
    assert len(masks(text)) == 10
    assert sum(len(mask.words) for mask in masks(text)) == 1000


def answers(items: Sequence[ScoreItem], context: float) -> list[Score]:
    """A token a word and one a sentinel; with context a word costs `context`, else 3 nats."""
    found = []
    for number, item in enumerate(items):
        pieces = list(re.finditer(r"\S+", item.continuation))
        value = context if number % 2 == 0 else -3.0
        logprobs = tuple(-50.0 if "<extra" in p.group() else value for p in pieces)
        ends = tuple(p.end() for p in pieces)
        found.append(Score(sum(logprobs), len(pieces), logprobs, ends))
    return found


def test_sentinels_count_nowhere() -> None:
    items = infilling_items(GOOD, SOURCE)
    assert infilling(GOOD, answers(items, -1.0)) == (2.0, -1.0, -1.0, 2.0)


def test_no_number_and_no_tokens_give_no_score() -> None:
    items = infilling_items(GOOD, SOURCE)
    assert math.isnan(infilling(GOOD, answers(items, math.nan)).weakest)
    assert all(map(math.isnan, infilling(GOOD, [Score(math.nan, 0)] * len(items))))


@pytest.mark.parametrize(("text", "context"), [("", SOURCE), (GOOD, ""), ("the", SOURCE)])
def test_what_is_empty_scores_exactly_nothing(text: str, context: str) -> None:
    assert infilling_items(text, context) == ()
    assert infilling(text, ()) == (0, 0, 0, 0)


def test_only_a_t5_fills_in() -> None:
    for name in ("T5ForConditionalGeneration", "MT5ForConditionalGeneration"):
        check_infills(ModelDescription(ModelPointer("m"), 1, name, 0))
    with pytest.raises(FailedPrecondition, match="LlamaForCausalLM"):
        check_infills(ModelDescription(ModelPointer("m"), 1, "LlamaForCausalLM", 0))


@pytest.mark.parametrize("name", ["faithfulness", "saliency"])
async def test_a_filter_without_a_masked_critic_refuses_the_form(name: str) -> None:
    cascade = Cascade((LayerConfig(name, options={"form": "masked"}),))
    with pytest.raises(InvalidArgument, match="STILLHOUSE_MASKED_CRITIC_TARGET"):
        await evaluate(cascade, [], [], Backends(FakeCritic(), FakeIndex()))


class Infiller:
    """A model scored in this process, as the generator service does."""

    def __init__(self, loaded: LoadedModel) -> None:
        self._loaded = loaded

    async def score(self, items: Sequence[ScoreItem]) -> list[Score]:
        return score(self._loaded, items, per_token=True)


@pytest.fixture(scope="module")
def infiller(tmp_path_factory: pytest.TempPathFactory) -> Infiller:
    folder: Path = tmp_path_factory.mktemp("t5")
    return Infiller(load(make_tiny_infilling(folder)))


MASKED = {"form": "masked"}
CRITICS = Cascade(
    (
        LayerConfig("brevity", {"min_words": 1}),
        LayerConfig(
            "faithfulness", {"pmi": 0.5, "logprob": -99, "weakest": -99, "gain": -99}, MASKED
        ),
        LayerConfig("saliency", {"tau": 0.5}, MASKED),
    ),
    score_all=True,
)


async def judged(infiller: Infiller, pairs: Sequence[tuple[str, str]]) -> list[Verdict]:
    """A verdict for each (document, candidate)."""
    documents = [Document(f"d{n}", source) for n, (source, _) in enumerate(pairs)]
    candidates = [Candidate(f"c{n}", f"d{n}", 0, text) for n, (_, text) in enumerate(pairs)]
    answering = Backends(FakeCritic(), FakeIndex(), masked=infiller)
    return list((await evaluate(CRITICS, documents, candidates, answering)).verdicts)


async def test_a_copy_passes_saliency_and_fails_brevity(infiller: Infiller) -> None:
    rng = Random(11)
    texts = [make_document(rng) for _ in range(20)]
    for verdict in await judged(infiller, [(text, text) for text in texts]):
        assert verdict.reason == "brevity.too_long"
        assert verdict.scores["saliency.ratio"] == 1
        assert verdict.scores["saliency.pmi"] > 0.5
        assert verdict.scores["faithfulness.pmi"] > 0.5


async def test_an_empty_text_scores_exactly_nothing(infiller: Infiller) -> None:
    (verdict,) = await judged(infiller, [("the red cat and the blue dog", "")])
    assert not verdict.accepted
    assert verdict.scores["saliency.pmi"] == verdict.scores["faithfulness.pmi"] == 0


async def test_another_document_drops_both_critics(infiller: Infiller) -> None:
    rng = Random(12)
    texts = [make_document(rng) for _ in range(24)]
    summaries = [text.split(" and ")[0] for text in texts]
    own = await judged(infiller, list(zip(texts, summaries, strict=True)))
    swapped = await judged(infiller, list(zip([*texts[1:], texts[0]], summaries, strict=True)))
    for name in ("faithfulness.pmi", "saliency.pmi"):
        gains = [a.scores[name] - b.scores[name] for a, b in zip(own, swapped, strict=True)]
        assert sum(gains) / len(gains) > 0.5
        assert sum(gain > 0 for gain in gains) > 0.8 * len(gains)
