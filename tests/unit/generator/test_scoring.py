from __future__ import annotations

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.checkpoints.load import LoadedModel
from services.generator import scoring
from services.generator.scoring import score
from stillhouse.errors import Cancelled, InvalidArgument
from stillhouse.generator.types import ScoreItem


def naive_score(loaded: LoadedModel, item: ScoreItem) -> float:
    """The log-likelihood from one whole forward pass."""
    tokenizer = loaded.tokenizer
    prefix = tokenizer(item.prefix, add_special_tokens=False)["input_ids"]
    prefix = prefix or [tokenizer.eos_token_id]
    ids = tokenizer(item.continuation, add_special_tokens=False)["input_ids"]
    with torch.inference_mode():
        logprobs = loaded.model(torch.tensor([prefix + ids])).logits[0].log_softmax(-1)
    return sum(float(logprobs[len(prefix) + i - 1, token]) for i, token in enumerate(ids))


WORDS = st.lists(st.sampled_from(["heap", " array", " the", "x", "\n", " é", " 42"]), max_size=8)
TEXTS = WORDS.map("".join)


@given(st.lists(st.builds(ScoreItem, TEXTS, TEXTS), max_size=12))
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_equals_one_pass_an_item(tiny: LoadedModel, items: list[ScoreItem]) -> None:
    for item, result in zip(items, score(tiny, items), strict=True):
        assert result.logprob == pytest.approx(naive_score(tiny, item), abs=1e-3)


def test_small_passes_change_nothing(tiny: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    items = [ScoreItem("a" * (i % 3), f" heap {i} of {i * i}") for i in range(20)]
    whole = score(tiny, items)
    monkeypatch.setattr(scoring, "_TOKENS_PER_PASS", 16)
    for one, other in zip(whole, score(tiny, items), strict=True):
        assert one.logprob == pytest.approx(other.logprob, abs=1e-3)


def test_an_empty_continuation_scores_exactly_zero(tiny: LoadedModel) -> None:
    result = score(tiny, [ScoreItem("a heap", "")])[0]
    assert (result.logprob, result.tokens) == (0.0, 0)


def test_per_token_scores_add_up_and_end_where_the_tokens_do(tiny: LoadedModel) -> None:
    text = " is an array of elements"
    result = score(tiny, [ScoreItem("A heap", text)], per_token=True)[0]
    assert sum(result.token_logprobs) == pytest.approx(result.logprob, abs=1e-4)
    assert len(result.token_ends) == result.tokens
    assert list(result.token_ends) == sorted(result.token_ends)
    assert result.token_ends[-1] == len(text)


def test_an_item_over_the_context_is_named(tiny: LoadedModel) -> None:
    with pytest.raises(InvalidArgument, match=r"items\[1\].*context"):
        score(tiny, [ScoreItem("a", "b"), ScoreItem("word " * 4000, "b")])


def test_stops_when_the_caller_gave_up(tiny: LoadedModel) -> None:
    with pytest.raises(Cancelled):
        score(tiny, [ScoreItem("a", "b")], cancelled=lambda: True)
