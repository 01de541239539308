"""Judging again from stored scores against judging for real with the other thresholds."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.experiments.rethreshold import Judged, Stored, changed, rejudge
from services.filter.cascade import evaluate
from services.filter.evidence import Backends
from services.trainer.near_duplicates import NearDuplicates
from stillhouse.errors import FailedPrecondition, InvalidArgument
from stillhouse.filter.types import Candidate, Cascade, Document, LayerConfig
from stillhouse.generator.types import Score, ScoreItem
from tests.unit.filter.fakes import FakeCritic, FakeIndex

DOCUMENTS = [
    Document("d0", "The heap keeps the smallest item first. Pushing costs little. It is a list."),
    Document("d1", "A socket listens on a port. It closes when nobody holds it. Ports are few."),
]
WORDS = "the heap keeps smallest item first socket listens on a port closes list 7"
TEXTS = st.lists(st.sampled_from(WORDS.split(" ")), min_size=1, max_size=14).map(
    lambda words: " ".join(words).capitalize() + "."
)
LOOSE = Cascade(
    (
        LayerConfig("brevity", {"ratio": 2.0, "min_words": 1}),
        LayerConfig("surface"),
        LayerConfig("diversity", {"keep": 5}),
    ),
    score_all=True,
)


def judge(
    cascade: Cascade, batches: Sequence[Sequence[Candidate]], critic: FakeCritic | None = None
) -> list[Judged]:
    seen = NearDuplicates(0.6)
    judged: list[Judged] = []
    for batch in batches:
        result = asyncio.run(
            evaluate(cascade, DOCUMENTS, batch, Backends(critic or FakeCritic(), FakeIndex()))
        )
        judged += map(Judged, batch, seen.judge(batch, result.verdicts))
    return judged


def candidates(texts: Sequence[str], batch: int) -> list[Candidate]:
    return [
        Candidate(f"{batch}-{number}", f"d{number % 2}", number, text)
        for number, text in enumerate(texts)
    ]


@given(
    st.lists(st.lists(TEXTS, min_size=1, max_size=5), min_size=1, max_size=3),
    st.floats(0.05, 1.5),
    st.integers(0, 6),
    st.integers(1, 3),
)
@settings(max_examples=60, deadline=None)
def test_it_equals_judging_anew(
    texts: list[list[str]], ratio: float, min_words: int, keep: int
) -> None:
    batches = [candidates(part, number) for number, part in enumerate(texts)]
    stored = [
        Stored(number, row.candidate, row.verdict)
        for number, batch in enumerate(batches)
        for row in judge(LOOSE, batches)
        if row.candidate in batch
    ]
    wanted = {"brevity.ratio": ratio, "brevity.min_words": min_words, "diversity.keep": keep}
    cascade = changed(LOOSE, wanted)
    again = rejudge(cascade, {one.id: one.text for one in DOCUMENTS}, stored, 0.6)
    anew = judge(cascade, batches)
    assert [(row.verdict.accepted, row.verdict.reason) for row in again] == [
        (row.verdict.accepted, row.verdict.reason) for row in anew
    ]


def test_what_was_not_scored_cannot_be_judged_again() -> None:
    hasty = Cascade(LOOSE.layers)
    tight = changed(hasty, {"brevity.min_words": 9})
    batches = [candidates(["The heap keeps the smallest item."], 0)]
    stored = [Stored(0, row.candidate, row.verdict) for row in judge(tight, batches)]
    with pytest.raises(FailedPrecondition, match=r"surface.*score_all"):
        rejudge(hasty, {one.id: one.text for one in DOCUMENTS}, stored, 0.6)


class RefusingCritic(FakeCritic):
    """Refuses what speaks of a port."""

    async def score(self, items: Sequence[ScoreItem]) -> list[Score]:
        scores = await super().score(items)
        refused = ["port" in item.continuation for item in items]
        return [Score(math.nan, 0) if no else one for one, no in zip(scores, refused, strict=True)]


def test_with_score_all_a_missing_score_is_one_that_could_not_be_had() -> None:
    cascade = Cascade(
        (LayerConfig("brevity", {"min_words": 99}), LayerConfig("faithfulness")), score_all=True
    )
    batches = [candidates(["The heap keeps the item.", "It listens on a port."], 0)]
    before = judge(cascade, batches, RefusingCritic())
    assert [row.verdict.layer for row in before] == ["brevity", "brevity"]
    stored = [Stored(0, row.candidate, row.verdict) for row in before]
    loose = changed(cascade, {"brevity.min_words": 1, "brevity.ratio": 2.0})
    anew = judge(loose, batches, RefusingCritic())
    assert rejudge(loose, {one.id: one.text for one in DOCUMENTS}, stored, 0.6) == anew
    assert anew[1].verdict.reason == "faithfulness.no_score"


def test_a_score_that_no_candidate_has_is_not_made_up() -> None:
    (row,) = judge(LOOSE, [candidates(["The heap keeps the smallest item."], 0)])
    old = {name: one for name, one in row.verdict.scores.items() if name != "surface.echo"}
    stored = [Stored(0, row.candidate, replace(row.verdict, scores=old))]
    with pytest.raises(FailedPrecondition, match="surface"):
        rejudge(LOOSE, {one.id: one.text for one in DOCUMENTS}, stored, 0.6)


def test_a_layer_sees_the_scores_of_the_layers_before_it_only() -> None:
    likely = "The heap keeps the first item."
    names = ("diversity", "faithfulness")
    cascade = Cascade(tuple(LayerConfig(name) for name in names), score_all=True)
    batches = [
        [
            Candidate("likely", "d0", 0, likely, tokens=9, logprob=-1.0),
            Candidate("faithful", "d0", 1, "The heap keeps the smallest item.", 9, -9.0),
        ]
    ]
    critic = FakeCritic({"first": -2.5})
    before = judge(cascade, batches, critic)
    assert [row.verdict.reason for row in before] == ["", "diversity.near_duplicate"]
    stored = [Stored(0, row.candidate, row.verdict) for row in before]
    again = rejudge(cascade, {one.id: one.text for one in DOCUMENTS}, stored, 0.6)
    assert [row.verdict.reason for row in again] == ["", "diversity.near_duplicate"]


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("novelty.max_run", "no layer 'novelty'.*brevity"),
        ("brevity.rato", "unknown threshold"),
    ],
)
def test_unknown_settings_are_named(setting: str, said: str) -> None:
    with pytest.raises(InvalidArgument, match=said):
        changed(LOOSE, {setting: 1.0})


def test_a_threshold_that_scores_depend_on_is_refused() -> None:
    cascade = Cascade((LayerConfig("novelty"),))
    with pytest.raises(InvalidArgument, match="measured with it"):
        changed(cascade, {"novelty.run_words": 3})
