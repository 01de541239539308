"""Any text gives a verdict: any script, empty, huge, broken."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from random import Random

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.filter.cascade import evaluate
from services.filter.evidence import Backends
from services.filter.layers import LAYERS
from services.filter.layers.base import CorpusMatch
from stillhouse.filter.types import Candidate, Cascade, Document, LayerConfig
from stillhouse.generator.types import Score, ScoreItem
from tests.unit.filter.fakes import FakeCritic, FakeIndex, backends

CASCADE = Cascade(tuple(LayerConfig(name) for name in LAYERS), score_all=True)

TEXTS = st.one_of(
    st.text(max_size=200),
    st.text(alphabet="aA1.,'’_-%!?。漢字กखः२ 　\n\"`(", max_size=200),
    st.lists(st.sampled_from(["The", "1,000", "x_y", "not", "."])).map(" ".join),
)


@given(TEXTS, TEXTS)
@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
async def test_any_text_gets_a_verdict(source: str, summary: str) -> None:
    documents = [Document("d", source)]
    evaluation = await evaluate(CASCADE, documents, [Candidate("c", "d", 0, summary)], backends())
    (verdict,) = evaluation.verdicts
    assert verdict.accepted == (not verdict.reason)
    assert verdict.reason == "" or verdict.reason.startswith(f"{verdict.layer}.")
    assert all(math.isfinite(value) for value in verdict.scores.values())


HUGE = {
    "letters": "a" * 100_000,
    "digits": "9" * 100_000,
    "grouped digits": "1,000" * 20_000,
    "dots": "." * 100_000,
    "capitals": "A b " * 25_000,
    "apostrophes": "a'" * 50_000,
    "camel": "aB" * 50_000,
    "ideographs": "漢" * 100_000,
    "combining": "e\u0301" * 50_000,
    "brackets": '"(' * 50_000,
    "underscores": "_" * 100_000,
    "echo": "the given " * 10_000,
    "spaces": " " * 100_000,
}


MEGABYTE = {
    "one word": "word " * 200_000,
    "sentences": "It reads 12 files. " * 55_000,
    "lines": "A_b\n\n" * 200_000,
    "not": "not " * 250_000,
    "two scripts": "aб " * 300_000,
    "alternating": "ab ba " * 170_000,
}
CHEAP = Cascade(
    tuple(
        LayerConfig(name)
        for name in ("constraints", "brevity", "surface", "abstractiveness", "novelty")
    ),
    score_all=True,
)


@pytest.mark.parametrize("name", MEGABYTE)
async def test_a_megabyte_is_judged_in_bounded_time(name: str) -> None:
    text = MEGABYTE[name]
    started = time.perf_counter()
    given = [Candidate("a", "d", 0, text), Candidate("b", "d", 1, text[::-1])]
    evaluation = await evaluate(CHEAP, [Document("d", text)], given, backends())
    assert not any(verdict.accepted for verdict in evaluation.verdicts)
    assert time.perf_counter() - started < 60


@given(st.lists(TEXTS, min_size=1, max_size=6), st.randoms(use_true_random=False))
@settings(max_examples=50, suppress_health_check=[HealthCheck.too_slow])
async def test_neither_order_nor_repetition_changes_a_verdict(
    texts: list[str], random: Random
) -> None:
    source = "The reader opens the archive. It never closes it."
    candidates = [Candidate(f"c{n}", "d", n, text) for n, text in enumerate(texts)]
    first = await evaluate(CASCADE, [Document("d", source)], candidates, backends())
    again = await evaluate(CASCADE, [Document("d", source)], candidates, backends())
    assert again.verdicts == first.verdicts
    shuffled = random.sample(candidates, len(candidates))
    other = await evaluate(CASCADE, [Document("d", source)], shuffled, backends())
    assert {v.candidate_id: v for v in other.verdicts} == {
        v.candidate_id: v for v in first.verdicts
    }


class NanCritic(FakeCritic):
    async def score(self, items: Sequence[ScoreItem]) -> list[Score]:
        return [Score(math.nan, 3, (math.nan,) * 3, (1, 2, 3)) for _ in items]


class NanIndex(FakeIndex):
    async def match(self, texts: Sequence[str]) -> list[tuple[CorpusMatch, ...] | None]:
        lengths = np.zeros(3, dtype=np.uint32)
        return [(CorpusMatch("", lengths, math.nan),) for _ in texts]


@pytest.mark.parametrize("layer", ["novelty", "faithfulness", "saliency"])
async def test_a_score_that_is_no_number_is_a_rejection_that_says_so(layer: str) -> None:
    cascade = Cascade((LayerConfig(layer),))
    given = [Candidate("a", "d", 0, "The reader opens it.")]
    documents = [Document("d", "The reader opens the archive.")]
    found = await evaluate(cascade, documents, given, Backends(NanCritic(), NanIndex()))
    assert found.verdicts[0].reason == f"{layer}.no_score"
    assert all(math.isfinite(value) for value in found.verdicts[0].scores.values())


@pytest.mark.parametrize("name", HUGE)
async def test_huge_texts_take_linear_time(name: str) -> None:
    text = HUGE[name]
    started = time.perf_counter()
    given = [Candidate("a", "d", 0, text), Candidate("b", "d", 1, text[:50_000])]
    evaluation = await evaluate(CASCADE, [Document("d", text)], given, backends())
    assert not any(verdict.accepted for verdict in evaluation.verdicts)
    assert time.perf_counter() - started < 20
