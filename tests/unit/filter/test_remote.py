"""The adapters to critic and index: sizes, order, patience, refusals."""

# ruff: noqa: ARG002

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence

import numpy as np
import pytest

from services.filter import __main__ as main
from services.filter.remote import (
    MASKED_CRITIC,
    Limits,
    RemoteCritic,
    RemoteIndexes,
    cut,
    infgram_logprob,
)
from stillhouse.errors import (
    DeadlineExceeded,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    ResourceExhausted,
    StillhouseError,
    Unavailable,
)
from stillhouse.generator.types import Score, ScoreItem
from stillhouse.index.types import MatchStatistics, Scores


def scores_of(counts: Sequence[int], contexts: Sequence[int]) -> Scores:
    seen = np.array(counts, dtype=np.uint64)
    places = np.array(contexts, dtype=np.uint64)
    blank = np.zeros(len(seen), dtype=np.uint32)
    with np.errstate(invalid="ignore", divide="ignore"):
        return Scores(seen / places, seen, places, blank, blank.astype(bool), blank)


class Client:
    """Both clients in one; raises what `fails` holds first, refuses texts with "bad"."""

    def __init__(self, *fails: StillhouseError) -> None:
        self.fails = list(fails)
        self.sizes: list[int] = []
        self.prefixes: list[str] = []

    async def score(
        self, items: Sequence[ScoreItem], per_token: bool = False, model_digest: str = ""
    ) -> list[Score]:
        assert per_token
        self._meet([item.continuation for item in items], "items")
        self.prefixes += [item.prefix for item in items]
        return [Score(-float(item.continuation), 1) for item in items]

    async def match_lengths_batch(
        self, queries: Sequence[str], index: str = ""
    ) -> list[MatchStatistics]:
        self._meet(queries, "queries")
        if index == "away":
            raise NotFound("no index away")
        return [
            MatchStatistics(
                np.full(len(query), len(index), dtype=np.uint32),
                np.ones(len(query), dtype=np.uint64),
                np.zeros(len(query), dtype=np.uint32),
            )
            for query in queries
        ]

    async def score_batch(self, queries: Sequence[str], index: str = "") -> list[Scores]:
        return [scores_of([1] * len(query), [2] * len(query)) for query in queries]

    def _meet(self, texts: Sequence[str], field: str) -> None:
        self.sizes.append(len(texts))
        if self.fails:
            raise self.fails.pop(0)
        if "bad" in texts:
            raise InvalidArgument(f"{field}[{texts.index('bad')}]", "too long")


def items(*continuations: object) -> list[ScoreItem]:
    return [ScoreItem(f"p{i % 2}", str(each)) for i, each in enumerate(continuations)]


async def test_answers_keep_their_order_and_prefixes_travel_together() -> None:
    client = Client()
    scores = await RemoteCritic(client, Limits(items=4)).score(items(*range(6)))
    assert [score.logprob for score in scores] == [0, -1, -2, -3, -4, -5]
    assert client.prefixes == ["p0"] * 3 + ["p1"] * 3
    assert client.sizes == [4, 2]


def test_cut_by_number_and_by_characters() -> None:
    limits = Limits(items=3, characters=5)
    assert cut(["aa", "bb", "c", "d", "eeeeeeee", "f"], len, limits) == [
        ["aa", "bb", "c"],
        ["d"],
        ["eeeeeeee"],
        ["f"],
    ]
    assert cut([], len, limits) == []


async def test_a_refused_text_costs_only_itself() -> None:
    scores = await RemoteCritic(Client(), Limits()).score(items(1, "bad", 3, 4, 5))
    assert [score.logprob for score in scores if not math.isnan(score.logprob)] == [-1, -3, -4, -5]
    assert math.isnan(scores[1].logprob)
    found = await RemoteIndexes(Client(), ["corpus"], Limits()).match(["a", "bad", "c"])
    assert [each is None for each in found] == [False, True, False]


@pytest.mark.parametrize(
    "error",
    [
        Unavailable("away"),
        DeadlineExceeded("slow"),
        NotFound("no index"),
        FailedPrecondition("no tokenizer"),
    ],
)
async def test_a_backend_that_cannot_answer_is_unavailable(error: StillhouseError) -> None:
    with pytest.raises(Unavailable):
        await RemoteIndexes(Client(error), ["corpus"], Limits()).match(["a"])


async def test_a_refusal_of_how_it_is_asked_holds_all_back() -> None:
    client = Client(InvalidArgument("index", "is empty; name one of this server's: a, b"))
    with pytest.raises(Unavailable, match=r"STILLHOUSE_INDEX_NAMES.*server's: a, b"):
        await RemoteIndexes(client, [""], Limits()).match(["a", "b"])
    assert client.sizes == [2]


async def test_the_message_tells_which_critic_it_is() -> None:
    for backend, named in ((), "STILLHOUSE_CRITIC_TARGET"), ((MASKED_CRITIC,), "STILLHOUSE_MASKED"):
        critic = RemoteCritic(Client(NotFound("no model")), Limits(), *backend)
        with pytest.raises(Unavailable, match=rf"critic \({named}.*no model"):
            await critic.score(items(1))


async def test_a_backend_at_its_limit_is_asked_again() -> None:
    busy = [ResourceExhausted("busy", retry_after=0.001) for _ in range(3)]
    client = Client(*busy)
    assert len(await RemoteIndexes(client, ["corpus"], Limits()).match(["a"])) == 1
    assert len(client.sizes) == 4
    with pytest.raises(Unavailable, match="limit"):
        await RemoteIndexes(Client(*busy, *busy), ["corpus"], Limits()).match(["a"])


class SlowClient(Client):
    async def match_lengths_batch(
        self, queries: Sequence[str], index: str = ""
    ) -> list[MatchStatistics]:
        await asyncio.sleep(60)
        return []


async def test_a_call_has_its_deadline() -> None:
    with pytest.raises(Unavailable, match=r"0\.01 s"):
        await RemoteIndexes(SlowClient(), ["corpus"], Limits(seconds=0.01)).match(["a"])


class ForgetfulClient(Client):
    async def score(
        self, items: Sequence[ScoreItem], per_token: bool = False, model_digest: str = ""
    ) -> list[Score]:
        return []


async def test_an_answer_too_few_is_no_answer() -> None:
    with pytest.raises(Unavailable, match="0 answers to 2"):
        await RemoteCritic(ForgetfulClient(), Limits()).score(items(1, 2))


async def test_every_index_answers_for_itself() -> None:
    (found,) = await RemoteIndexes(Client(), ["one", "other"], Limits()).match(["abc"])
    assert found is not None
    assert [(match.index, match.lengths.tolist()) for match in found] == [
        ("one", [3, 3, 3]),
        ("other", [5, 5, 5]),
    ]
    assert found[0].logprob == pytest.approx(math.log(1 / 2))


async def test_one_index_that_is_away_holds_all_back() -> None:
    with pytest.raises(Unavailable, match="no index away"):
        await RemoteIndexes(Client(), ["one", "away"], Limits()).match(["abc"])


def test_the_infgram_likelihood_is_finite_where_a_token_never_followed() -> None:
    assert infgram_logprob(scores_of([], [])) == 0
    assert infgram_logprob(scores_of([2, 4], [4, 4])) == pytest.approx(math.log(0.5) / 2)
    assert infgram_logprob(scores_of([0], [9])) == pytest.approx(math.log(1 / 10))
    assert math.isfinite(infgram_logprob(scores_of([0, 1], [0, 0])))


async def test_the_filter_waits_for_the_indexes_that_it_asks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(main, "_AGAIN", 0)
    client = Client(InvalidArgument("index", "is empty"), NotFound("no index"))
    await main._until_indexed(RemoteIndexes(client, ["corpus"], Limits()))
    assert len(client.sizes) == 3
