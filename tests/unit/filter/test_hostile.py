"""Any text gives a verdict: any script, empty, huge, broken."""

from __future__ import annotations

import math
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.filter.cascade import evaluate
from services.filter.layers import LAYERS
from stillhouse.filter.types import Candidate, Cascade, Document, LayerConfig
from tests.unit.filter.fakes import backends

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


@pytest.mark.parametrize("name", HUGE)
async def test_huge_texts_take_linear_time(name: str) -> None:
    text = HUGE[name]
    started = time.perf_counter()
    given = [Candidate("a", "d", 0, text), Candidate("b", "d", 1, text[:50_000])]
    evaluation = await evaluate(CASCADE, [Document("d", text)], given, backends())
    assert not any(verdict.accepted for verdict in evaluation.verdicts)
    assert time.perf_counter() - started < 20
