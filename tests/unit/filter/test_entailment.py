"""The rule of entailment at its boundaries, and edges by entailment."""

from __future__ import annotations

import math

import pytest

from services.filter.cascade import evaluate
from services.filter.evidence import Backends
from services.filter.layers.base import Answers, Case, Entailment, Finding, Inference, Pair
from services.filter.layers.diversity import Diversity, DiversityThresholds
from services.filter.layers.entailment import EntailmentLayer, EntailmentThresholds
from stillhouse.errors import InvalidArgument
from stillhouse.filter.types import Candidate, Cascade, Document, LayerConfig
from tests.unit.filter.fakes import GOOD, SOURCE, FakeCritic, FakeIndex, FakeNli, backends, pair

ONE = EntailmentLayer(EntailmentThresholds())
BOTH = EntailmentLayer(EntailmentThresholds(), {"ways": "both"})


def judge(layer: EntailmentLayer, *answers: Entailment | float, summary: str = GOOD) -> Finding:
    told = tuple(one if isinstance(one, Entailment) else Entailment(one) for one in answers)
    return layer.judge([Case(pair(summary), Answers(nli=told))])[0]


@pytest.mark.parametrize(
    ("forward", "expected"), [(0.75, None), (0.7499, "entailment.not_entailed"), (1.0, None)]
)
def test_a_summary_must_be_entailed(forward: float, expected: str | None) -> None:
    finding = judge(ONE, forward)
    assert finding.reason == expected
    assert finding.scores == {"entailment.forward": forward, "entailment.overlong": 0}


@pytest.mark.parametrize(
    ("forward", "backward", "expected"),
    [
        (0.75, 0.75, None),
        (0.7499, 1.0, "entailment.not_entailed"),
        (1.0, 0.7499, "entailment.not_entailing"),
    ],
)
def test_a_paraphrase_must_be_entailed_both_ways(
    forward: float, backward: float, expected: str | None
) -> None:
    assert judge(BOTH, forward, backward).reason == expected


def test_what_is_asked() -> None:
    assert ONE.questions(pair(GOOD)).nli == (Inference(SOURCE, GOOD),)
    assert BOTH.questions(pair(GOOD)).nli == (Inference(SOURCE, GOOD), Inference(GOOD, SOURCE))


@pytest.mark.parametrize("layer", [ONE, BOTH])
@pytest.mark.parametrize(("summary", "source"), [("", SOURCE), (" \n", SOURCE), (GOOD, "")])
def test_an_empty_text_is_not_asked_about_and_scores_exactly_nothing(
    layer: EntailmentLayer, summary: str, source: str
) -> None:
    given = pair(summary, source)
    assert layer.questions(given).nli == ()
    (finding,) = layer.judge([Case(given)])
    assert finding.scores["entailment.forward"] == 0
    assert finding.reason == "entailment.not_entailed"


def test_no_number_never_passes() -> None:
    assert judge(ONE, math.nan).reason == "entailment.no_score"
    assert judge(BOTH, 1.0, math.nan).reason == "entailment.no_score"


def test_what_the_model_cannot_read_whole_is_rejected_by_name() -> None:
    finding = judge(BOTH, Entailment(math.nan, 7), Entailment(math.nan, 7))
    assert finding.reason == "entailment.too_long"
    assert finding.scores == {"entailment.overlong": 7}


@pytest.mark.parametrize(
    "layer", [LayerConfig("entailment"), LayerConfig("diversity", options={"edge": "entailment"})]
)
async def test_a_filter_without_a_model_refuses_the_cascade(layer: LayerConfig) -> None:
    """Before any candidate, as the trainer asks when a run is created."""
    cascade = Cascade((LayerConfig("brevity"), layer))
    with pytest.raises(InvalidArgument, match="STILLHOUSE_NLI_MODEL") as caught:
        await evaluate(cascade, [], [], Backends(FakeCritic(), FakeIndex()))
    assert caught.value.field == "cascade.layers[1]"
    assert layer.name in caught.value.reason


async def test_an_option_that_is_unknown_is_refused() -> None:
    for options, said in (({"ways": "none"}, "one, both"), ({"way": "one"}, "known here: ways")):
        cascade = Cascade((LayerConfig("entailment", options=options),))
        with pytest.raises(InvalidArgument, match=said) as caught:
            await evaluate(cascade, [], [], backends())
        assert caught.value.field.startswith("cascade.layers[0].options.way")


# Who entails whom: c <-> a <-> e are joined, b -> d is one way only.
TEXTS = {name: f"text {name} of five" for name in "abcde"}
MUTUAL = {("a", "c"), ("a", "e")}
ENTAILED = MUTUAL | {(j, i) for i, j in MUTUAL} | {("b", "d")}


def entailing_cases(names: str, total: dict[str, float], tau: float = 0.75) -> list[Case]:
    """Each with its answers about the others, in their order."""
    found = []
    for place, one in enumerate(names):
        answers = [
            Entailment(tau if (one, other) in ENTAILED else 0.7499)
            for other in names
            if other != one
        ]
        given = Pair(Document("d", SOURCE), Candidate(one, "d", place, TEXTS[one]))
        earlier = {"entailment.forward": total[one] / 2, "entailment.backward": total[one] / 2}
        found.append(Case(given, Answers(nli=tuple(answers)), earlier))
    return found


def survivors(cases: list[Case]) -> set[str]:
    layer = Diversity(DiversityThresholds(keep=9), {"edge": "entailment"})
    findings = layer.judge(cases)
    return {
        case.pair.candidate.id
        for case, finding in zip(cases, findings, strict=True)
        if finding.reason is None
    }


TOTAL = {"a": 1.6, "b": 1.5, "c": 1.9, "d": 1.51, "e": 1.7}


def test_the_best_of_each_component_of_a_hand_made_graph() -> None:
    assert survivors(entailing_cases("abcde", TOTAL)) == {"b", "c", "d"}
    assert survivors(entailing_cases("abcde", TOTAL | {"a": 2.0})) == {"a", "b", "d"}


def test_no_two_survivors_are_joined_and_judging_them_again_changes_nothing() -> None:
    assert survivors(entailing_cases("bcd", TOTAL)) == {"b", "c", "d"}
    assert survivors(entailing_cases("edcba", TOTAL)) == {"b", "c", "d"}


def test_without_the_node_between_them_two_components_remain() -> None:
    assert survivors(entailing_cases("bcde", TOTAL)) == {"b", "c", "d", "e"}


async def test_candidates_are_compared_within_their_source_and_only_while_alive() -> None:
    nli = FakeNli()
    cascade = Cascade(
        (LayerConfig("brevity", {"min_words": 2, "ratio": 9}),
         LayerConfig("diversity", {"keep": 9}, {"edge": "entailment"}))
    )  # fmt: skip
    given = [
        Candidate("a", "d", 0, "the reader opens it"),
        Candidate("b", "d", 1, "it opens the reader"),
        Candidate("c", "d", 2, "it"),
        Candidate("e", "f", 0, "the reader opens"),
    ]
    documents = [Document("d", SOURCE), Document("f", SOURCE)]
    found = await evaluate(cascade, documents, given, backends(nli=nli))
    assert [verdict.accepted for verdict in found.verdicts] == [True, False, False, True]
    assert found.verdicts[1].reason == "diversity.near_duplicate"
    (asked,) = nli.calls
    assert {(one.premise, one.hypothesis) for one in asked} == {
        (given[0].text, given[1].text),
        (given[1].text, given[0].text),
    }


async def test_two_that_are_too_long_to_compare_are_compared_by_their_words() -> None:
    cascade = Cascade((LayerConfig("diversity", options={"edge": "entailment"}),))
    texts = ("red green blue apples", "red green blue pears", "something else entirely")
    given = [Candidate(text, "d", n, text) for n, text in enumerate(texts)]
    found = await evaluate(cascade, [Document("d", SOURCE)], given, backends(nli=FakeNli(1)))
    assert [verdict.accepted for verdict in found.verdicts] == [True, False, True]
