from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.checkpoints.load import LoadedModel
from services.generator.backends.alignment import score_of, token_ends
from stillhouse.errors import FailedPrecondition, Unimplemented

PIECES = st.lists(st.text(" abé😀\n.", min_size=1, max_size=3), max_size=6)


@given(PIECES, PIECES.filter(bool))
def test_tokens_that_are_the_text_end_where_they_end(prefix: list[str], rest: list[str]) -> None:
    ends = token_ends([*prefix, *rest], "".join(prefix), "".join(rest))
    assert ends == [len("".join(rest[: n + 1])) for n in range(len(rest))]


@given(st.text("ab ", max_size=6), st.text("abé😀 \n", min_size=1, max_size=8))
def test_tokens_of_a_real_tokenizer(tiny: LoadedModel, prefix: str, continuation: str) -> None:
    """Byte-level tokens may hold parts of a character, shown as U+FFFD."""
    ids = tiny.tokenizer(prefix + continuation, add_special_tokens=False)["input_ids"]
    shown = [str(tiny.tokenizer.decode([token])) for token in ids]
    ends = token_ends(shown, prefix, continuation)
    assert ends is not None
    assert ends[-1] == len(continuation)
    assert ends == sorted(ends)
    behind = str(tiny.tokenizer.decode(ids[len(ids) - len(ends) :]))
    assert behind.endswith(continuation) or "\ufffd" in behind


@pytest.mark.parametrize(
    ("tokens", "prefix", "continuation", "ends"),
    [
        (["<s>", "the", "cat", "sat"], "the cat", " sat", [4]),  # no spaces shown
        (["the c", "at sat"], "the cat", " sat", [4]),  # one is partly the prefix's
        (["a", "\ufffd", "\ufffd", "b"], "a", "é" + "b", [1, 1, 2]),
        (["a", "", "b"], "a", "b", [1]),  # a markup token in the prefix
        (["the", " dog"], "the", " cat", None),
    ],
)
def test_servers_show_tokens_in_many_ways(
    tokens: list[str], prefix: str, continuation: str, ends: list[int] | None
) -> None:
    assert token_ends(tokens, prefix, continuation) == ends


def test_a_score_is_of_the_last_tokens() -> None:
    drawn = [("a", None), (" b", -1.0), (" c", -2.0), (" d", -4.0)]
    score = score_of(drawn, "a b", " c d", per_token=True, by="it")
    assert (score.logprob, score.tokens) == (-6.0, 2)
    assert (score.token_logprobs, score.token_ends) == ((-2.0, -4.0), (2, 4))
    assert not score_of(drawn, "a b", " c d", per_token=False, by="it").token_ends
    with pytest.raises(Unimplemented, match=r"it .*STILLHOUSE_BACKEND_START"):
        score_of(drawn, "", "a b c d", per_token=False, by="it")
    with pytest.raises(FailedPrecondition, match="it gives tokens"):
        score_of(drawn, "a b", " c e", per_token=False, by="it")
