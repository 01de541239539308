"""The layers that ask the critic, at their boundaries."""

from __future__ import annotations

import math

import pytest

from services.filter.critic import mean_pmi, pointwise_gains, source_items, weakest_word
from services.filter.layers.base import Answers, Case, Finding, Layer, Pair
from services.filter.layers.faithfulness import Faithfulness, FaithfulnessThresholds
from services.filter.layers.saliency import Saliency, SaliencyThresholds
from stillhouse.generator.types import Score
from tests.unit.filter.fakes import GOOD, SOURCE, pair, per_word

FAITHFULNESS = Faithfulness(FaithfulnessThresholds(pmi=0.75, logprob=-2, weakest=-6, gain=-0.5))
SALIENCY = Saliency(SaliencyThresholds(tau=0.5))


def judge(layer: Layer[FaithfulnessThresholds] | Saliency, given: Pair, *scores: Score) -> Finding:
    return layer.judge([Case(given, Answers(critic=scores))])[0]


@pytest.mark.parametrize(
    ("gain", "expected"),
    [(0.75, None), (0.7499, "faithfulness.unsupported"), (-1, "faithfulness.unsupported")],
)
def test_mean_pmi_at_tau_passes(gain: float, expected: str | None) -> None:
    finding = judge(FAITHFULNESS, pair(GOOD), per_word(GOOD, -1), per_word(GOOD, -1 - gain))
    assert finding.reason == expected


@pytest.mark.parametrize(
    ("logprob", "expected"), [(-6.0, None), (-6.01, "faithfulness.unexpected_word")]
)
def test_one_unlikely_word_rejects(logprob: float, expected: str | None) -> None:
    given = per_word(GOOD, lambda word: logprob if word == "encrypted" else -1.0)
    finding = judge(FAITHFULNESS, pair(GOOD), given, per_word(GOOD, -8))
    assert finding.reason == expected
    assert finding.scores["faithfulness.weakest"] == logprob


@pytest.mark.parametrize(
    ("gain", "expected"), [(-0.5, None), (-0.51, "faithfulness.unsupported_word")]
)
def test_one_word_that_the_document_makes_unlikelier_rejects(
    gain: float, expected: str | None
) -> None:
    alone = per_word(GOOD, lambda word: -1.0 - gain if word == "strings" else -4.0)
    finding = judge(FAITHFULNESS, pair(GOOD), per_word(GOOD, -1), alone)
    assert finding.reason == expected
    assert finding.scores["faithfulness.gain"] == pytest.approx(gain)


@pytest.mark.parametrize(("mean", "expected"), [(-2.0, None), (-2.01, "faithfulness.unlikely")])
def test_mean_logprob_at_its_threshold_passes(mean: float, expected: str | None) -> None:
    finding = judge(FAITHFULNESS, pair(GOOD), per_word(GOOD, mean), per_word(GOOD, -8))
    assert finding.reason == expected


def test_function_words_may_gain_nothing() -> None:
    alone = per_word(GOOD, lambda word: -0.1 if word == "and" else -4.0)
    finding = judge(FAITHFULNESS, pair(GOOD), per_word(GOOD, -1), alone)
    assert finding.reason is None


@pytest.mark.parametrize("layer", [FAITHFULNESS, SALIENCY])
@pytest.mark.parametrize(
    "bad",
    [
        Score(math.nan, 3, (-1.0, math.nan, -1.0), (2, 4, 6)),
        Score(-math.inf, 3, (-1.0, -math.inf, -1.0), (2, 4, 6)),
        Score(math.inf, 3, (-1.0, math.inf, -1.0), (2, 4, 6)),
        Score(math.nan, 0),
    ],
)
def test_a_score_that_is_no_number_never_passes(
    layer: Layer[FaithfulnessThresholds], bad: Score
) -> None:
    good = Score(-3.0, 3, (-1.0, -1.0, -1.0), (2, 4, 6))
    for answers in ((bad, good), (good, bad), (bad, bad)):
        finding = judge(layer, pair("a b c"), *answers)
        assert finding.reason == f"{layer.name}.no_score"
        assert all(math.isfinite(value) for value in finding.scores.values())


def test_pmi_of_the_empty_summary_is_exactly_zero() -> None:
    assert FAITHFULNESS.questions(pair("")).critic == ()
    assert judge(FAITHFULNESS, pair("")).scores["faithfulness.pmi"] == 0
    assert SALIENCY.questions(pair("")).critic == ()
    assert judge(SALIENCY, pair("")).scores["saliency.pmi"] == 0
    assert judge(SALIENCY, pair("")).reason == "saliency.uninformative"


def test_pmi_of_no_tokens_is_exactly_zero() -> None:
    assert mean_pmi((Score(0.0, 0), Score(0.0, 0))) == 0


def test_both_terms_ask_for_the_same_words() -> None:
    for layer in (FAITHFULNESS, SALIENCY):
        given, alone = layer.questions(pair(GOOD)).critic
        assert given.continuation == alone.continuation
        assert given.prefix.endswith(alone.prefix)
        assert given.prefix != alone.prefix


def test_saliency_scores_the_document() -> None:
    assert {item.continuation for item in source_items(SOURCE, GOOD)} == {f" {SOURCE}"}


@pytest.mark.parametrize(("gain", "expected"), [(0.2501, None), (0.25, "saliency.uninformative")])
def test_saliency_grows_with_the_ratio(gain: float, expected: str | None) -> None:
    source, summary = "word " * 8, "word " * 4
    given, alone = Score(-8.0, 8), Score(-8.0 - 8 * gain, 8)
    finding = judge(SALIENCY, pair(summary, source), given, alone)
    assert finding.reason == expected
    assert finding.scores["saliency.ratio"] == 0.5


def test_the_document_itself_passes_saliency() -> None:
    finding = judge(SALIENCY, pair(SOURCE), per_word(SOURCE, -0.1), per_word(SOURCE, -3))
    assert finding.reason is None


def test_weakest_word_sums_the_tokens_of_a_word() -> None:
    text = "reads bytes"  # tokens: " rea" "ds" " by" "tes"
    score = Score(-10.0, 4, (-1.0, -2.0, -3.0, -4.0), (4, 6, 9, 12))
    assert weakest_word(text, score.token_logprobs, score) == -7


def test_weakest_word_takes_a_token_that_spans_two_words_for_both() -> None:
    score = Score(-3.0, 2, (-1.0, -2.0), (4, 9))
    assert weakest_word("abcde fg", score.token_logprobs, score) == -3


def test_a_text_without_a_score_has_no_weakest_part() -> None:
    one, refused = pair("A reader opens it."), Score(math.nan, 0)
    layer = Faithfulness(FaithfulnessThresholds())
    for answers in ((refused, refused), (refused, Score(-1.0, 1, (-1.0,), (2,)))):
        scores = layer.measure(one, Answers(answers))
        assert all(map(math.isnan, scores.values()))


def test_weakest_word_without_content_words_or_positions() -> None:
    score = Score(-2.0, 2, (-1.0, -1.0), (3, 6))
    assert weakest_word("it is", score.token_logprobs, score) == 0
    assert math.isnan(weakest_word("reads it", (-1.0,), Score(-1.0, 1)))


def test_gains_need_the_same_tokens() -> None:
    assert pointwise_gains((Score(-1, 1, (-1.0,), (1,)), Score(-3, 1, (-3.0,), (1,)))) == [2.0]
    assert pointwise_gains((Score(-1, 1, (-1.0,), (1,)), Score(0, 0))) == []
