"""Judging again from stored scores against judging for real with the other thresholds."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.experiments.rethreshold import Judged, Stored, changed, rejudge
from services.filter.cascade import evaluate
from services.filter.evidence import Backends
from services.trainer.near_duplicates import NearDuplicates
from stillhouse.errors import FailedPrecondition, InvalidArgument
from stillhouse.filter.types import Candidate, Cascade, Document, LayerConfig
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


def judge(cascade: Cascade, batches: Sequence[Sequence[Candidate]]) -> list[Judged]:
    seen = NearDuplicates(0.6)
    judged: list[Judged] = []
    for batch in batches:
        result = asyncio.run(
            evaluate(cascade, DOCUMENTS, batch, Backends(FakeCritic(), FakeIndex()))
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
