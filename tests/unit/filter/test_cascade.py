"""The whole cascade over hand-made backends."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from services.filter.cascade import evaluate
from services.filter.evidence import Backends
from stillhouse.errors import InvalidArgument, Unavailable
from stillhouse.filter.types import Candidate, Cascade, Document, Evaluation, LayerConfig
from stillhouse.generator.types import Score, ScoreItem
from tests.unit.filter.fakes import GOOD, SOURCE, FakeCritic, FakeIndex, backends

DOCUMENTS = [Document("d", SOURCE)]
COPIED = "Members that are encrypted raise a ValueError before any byte is read."
INVENTED = "Members of an archive travel as pigeons, and encrypted ones raise a ValueError."
TEXTS = [
    "Short.",
    "It reads an archive of 13 encrypted members.",
    COPIED,
    INVENTED,
    GOOD,
    GOOD.replace("come back", "are returned"),
]
THRESHOLDS = {
    "brevity": {"ratio": 0.5, "min_words": 4.0},
    "novelty": {"max_run": 10.0, "max_share": 1.1, "verbatim": 1.1},
    "faithfulness": {"pmi": 1.0, "logprob": -2.5, "weakest": -6.0, "gain": -9.5},
    "saliency": {"tau": 0.1},
    "diversity": {"similarity": 0.5, "keep": 2.0},
}
LAYERS = ("brevity", "surface", "novelty", "faithfulness", "saliency", "diversity")


def cascade(score_all: bool = False) -> Cascade:
    layers = tuple(LayerConfig(name, THRESHOLDS.get(name, {})) for name in LAYERS)
    return Cascade(layers, score_all)


def candidates(texts: Sequence[str] = TEXTS) -> list[Candidate]:
    return [Candidate(f"c{i}", "d", i, text) for i, text in enumerate(texts)]


async def judge(score_all: bool = False, **given: FakeCritic | FakeIndex) -> Evaluation:
    critic = given.get("critic") or FakeCritic({"pigeons": -12.0})
    index = given.get("index") or FakeIndex({COPIED: 12})
    return await evaluate(
        cascade(score_all), DOCUMENTS, candidates(), Backends(critic, index)  # type: ignore[arg-type]
    )  # fmt: skip


async def test_the_first_layer_that_rejects_says_why() -> None:
    evaluation = await judge()
    assert [(verdict.layer, verdict.reason) for verdict in evaluation.verdicts] == [
        ("brevity", "brevity.too_short"),
        ("surface", "surface.new_number"),
        ("novelty", "novelty.copied_run"),
        ("faithfulness", "faithfulness.unexpected_word"),
        ("", ""),
        ("diversity", "diversity.near_duplicate"),
    ]
    assert [verdict.candidate_id for verdict in evaluation.verdicts] == [f"c{i}" for i in range(6)]
    assert [verdict.accepted for verdict in evaluation.verdicts] == [
        not v.layer for v in evaluation.verdicts
    ]


async def test_the_counts_are_exact() -> None:
    evaluation = await judge()
    assert [(stats.name, stats.seen, stats.passed) for stats in evaluation.layers] == [
        ("brevity", 6, 5),
        ("surface", 5, 4),
        ("novelty", 4, 3),
        ("faithfulness", 3, 2),
        ("saliency", 2, 2),
        ("diversity", 2, 1),
    ]
    assert all(stats.seconds >= 0 for stats in evaluation.layers)


async def test_only_survivors_are_asked_about_each_once_and_together() -> None:
    critic, index = FakeCritic({"pigeons": -12.0}), FakeIndex({COPIED: 12})
    await judge(critic=critic, index=index)
    assert index.calls == [TEXTS[2:]]
    faithfulness, saliency = critic.calls
    assert len(faithfulness) == 2 * 3
    assert len(saliency) == 2 + 1  # log p(x) without a summary is asked once


async def test_verdicts_keep_the_scores_up_to_the_rejection() -> None:
    short, number, copied, *_ = (await judge()).verdicts
    assert set(short.scores) == {"brevity.ratio", "brevity.words"}
    assert number.scores["surface.new_numbers"] == 1
    assert copied.scores["novelty.run"] == 12
    assert not any(name.startswith("faithfulness") for name in copied.scores)


async def test_score_all_changes_scores_only() -> None:
    plain, full = await judge(), await judge(score_all=True)
    assert [v.reason for v in full.verdicts] == [v.reason for v in plain.verdicts]
    counts = [(stats.seen, stats.passed) for stats in plain.layers]
    assert [(stats.seen, stats.passed) for stats in full.layers] == counts
    for verdict in full.verdicts:
        layers = {name.partition(".")[0] for name in verdict.scores}
        assert layers >= set(LAYERS) - {"diversity"}


async def test_nothing_to_judge() -> None:
    evaluation = await evaluate(cascade(), [], [], backends())
    assert evaluation.verdicts == ()
    assert [stats.seen for stats in evaluation.layers] == [0] * 6


class AwayCritic(FakeCritic):
    async def score(self, items: Sequence[ScoreItem]) -> list[Score]:  # noqa: ARG002
        raise Unavailable("the critic is away")


async def test_a_backend_that_is_away_gives_no_verdict() -> None:
    with pytest.raises(Unavailable):
        await judge(critic=AwayCritic())


@pytest.mark.parametrize(
    ("documents", "given", "field"),
    [
        (DOCUMENTS, [Candidate("a", "elsewhere", 0, GOOD)], "candidates[0].source_id"),
        (DOCUMENTS, [Candidate("a", "d", 0, GOOD)] * 2, "candidates[1].id"),
        (DOCUMENTS * 2, [], "documents[1].id"),
    ],
)
async def test_a_batch_that_contradicts_itself(
    documents: list[Document], given: list[Candidate], field: str
) -> None:
    with pytest.raises(InvalidArgument) as caught:
        await evaluate(cascade(), documents, given, backends())
    assert caught.value.field == field
