from __future__ import annotations

import math

import pytest

from services.filter.layers.base import Answers, Case, Pair
from services.filter.layers.fluency import Fluency, FluencyThresholds
from stillhouse.filter.types import Candidate, Document


def reason(logprob: float, tokens: int, least: float = -2.0) -> str | None:
    layer = Fluency(FluencyThresholds(least))
    candidate = Candidate("c", "d", 0, "A text.", tokens=tokens, logprob=logprob)
    (finding,) = layer.judge([Case(Pair(Document("d", "A document."), candidate), Answers())])
    return finding.reason


@pytest.mark.parametrize(
    ("logprob", "tokens", "expected"),
    [
        (-20.0, 10, None),
        (-20.01, 10, "fluency.unlikely"),
        (-15.0, 10, None),
        (0.0, 0, "fluency.no_score"),
        (math.nan, 10, "fluency.no_score"),
        (-math.inf, 10, "fluency.no_score"),
    ],
)
def test_both_sides_of_the_threshold(logprob: float, tokens: int, expected: str | None) -> None:
    assert reason(logprob, tokens) == expected


def test_an_empty_text_is_other_layers_business() -> None:
    empty = Pair(Document("d", "A document."), Candidate("c", "d", 0, ""))
    (finding,) = Fluency(FluencyThresholds()).judge([Case(empty, Answers())])
    assert finding.reason is None


def test_the_threshold_is_the_recipes() -> None:
    assert reason(-15.0, 10, least=-1.5) is None
    assert reason(-15.1, 10, least=-1.5) == "fluency.unlikely"
