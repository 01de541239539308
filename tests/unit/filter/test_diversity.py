from __future__ import annotations

from services.filter.layers.base import Case
from services.filter.layers.diversity import Diversity, DiversityThresholds, components, jaccard
from tests.unit.filter.fakes import case

EDGES = {(0, 3), (3, 4), (1, 2)}  # two components: a path of three and a pair

DOGS = "Dogs bark loudly at every passing stranger."
DOGS_TOO = "Dogs bark loudly at every passing postman."
CATS = "Cats sleep through warm afternoons upstairs."
BIRDS = "Birds migrate southward before winter arrives."


def reasons(cases: list[Case], similarity: float = 0.5, keep: float = 9) -> list[str | None]:
    layer = Diversity(DiversityThresholds(similarity=similarity, keep=keep))
    return [finding.reason for finding in layer.judge(cases)]


def joined(a: int, b: int) -> bool:
    return (a, b) in EDGES or (b, a) in EDGES


def test_components_of_a_hand_made_graph() -> None:
    assert components(5, joined) == [[0, 3, 4], [1, 2]]


def test_a_late_node_joins_two_components() -> None:
    assert components(3, lambda a, b: 2 in (a, b)) == [[0, 1, 2]]
    assert components(0, joined) == []


def test_the_best_of_a_component_stays() -> None:
    cases = [case("a", DOGS, pmi=1), case("b", DOGS_TOO, pmi=2), case("c", CATS, pmi=0)]
    assert reasons(cases) == ["diversity.near_duplicate", None, None]


def test_judging_the_survivors_again_changes_nothing() -> None:
    cases = [case("a", DOGS, pmi=1), case("b", DOGS_TOO, pmi=2), case("c", CATS, pmi=0)]
    first = reasons(cases)
    kept = [one for one, reason in zip(cases, first, strict=True) if reason is None]
    assert reasons(kept) == [None, None]


def test_only_the_best_few_of_a_source_stay() -> None:
    cases = [case("a", DOGS, pmi=1), case("b", CATS, pmi=3), case("c", BIRDS, pmi=2)]
    assert reasons(cases, keep=2) == ["diversity.not_best", None, None]


def test_the_order_of_delivery_has_no_effect() -> None:
    cases = [case("a", DOGS, index=1), case("b", DOGS_TOO, index=0), case("c", CATS, index=2)]
    forward = dict(zip("abc", reasons(cases), strict=True))
    backward = dict(zip("cba", reasons(cases[::-1]), strict=True))
    assert forward == backward == {"a": "diversity.near_duplicate", "b": None, "c": None}


def test_sources_do_not_meet() -> None:
    assert reasons([case("a", DOGS), case("b", DOGS, source_id="e")], keep=1) == [None, None]


def test_the_rejected_take_no_part() -> None:
    layer = Diversity(DiversityThresholds())
    dead, alive = layer.judge([case("a", DOGS, pmi=9, alive=False), case("b", DOGS)])
    assert dead.scores == {}
    assert alive.reason is None
    assert alive.scores == {"diversity.rank": 1, "diversity.duplicate": 0}


def test_similarity_at_its_threshold_is_an_edge() -> None:
    cases = [case("a", "red green blue", index=0), case("b", "red green black", index=1)]
    assert reasons(cases, similarity=0.5) == [None, "diversity.near_duplicate"]
    assert reasons(cases, similarity=0.51) == [None, None]


def test_jaccard() -> None:
    assert jaccard(frozenset("ab"), frozenset("bc")) == 1 / 3
    assert jaccard(frozenset(), frozenset()) == 1
    assert jaccard(frozenset("a"), frozenset()) == 0
