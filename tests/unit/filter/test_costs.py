"""Running averages of what a candidate costs."""

from __future__ import annotations

import pytest

from services.filter.cascade import evaluate
from services.filter.costs import Costs
from stillhouse.filter.types import Candidate, Cascade, Document, LayerConfig
from tests.unit.filter.fakes import GOOD, SOURCE, backends


def test_the_average_is_exact_at_first_and_forgets_later() -> None:
    costs = Costs()
    assert costs.add("surface", 0, 0.0) == 0
    assert costs.add("surface", 10, 1.0) == pytest.approx(0.1)
    assert costs.add("surface", 30, 9.0) == pytest.approx(10 / 40)
    assert costs.add("surface", 0, 5.0) == pytest.approx(10 / 40)
    assert costs.add("novelty", 2, 4.0) == 2
    for _ in range(50):
        costs.add("surface", 200, 200.0)
    assert costs.add("surface", 200, 200.0) == pytest.approx(1.0)


@pytest.mark.parametrize(("score_all", "scored"), [(False, [2, 1]), (True, [2, 2])])
async def test_layers_tell_what_they_scored_and_the_average(
    score_all: bool, scored: list[int]
) -> None:
    cascade = Cascade((LayerConfig("brevity"), LayerConfig("surface")), score_all)
    given = [Candidate("a", "d", 0, "Short."), Candidate("b", "d", 1, GOOD)]
    costs = Costs()
    costs.add("surface", 1, 100.0)
    found = await evaluate(cascade, [Document("d", SOURCE)], given, backends(), costs)
    assert [one.scored for one in found.layers] == scored
    assert found.layers[0].mean_seconds == pytest.approx(found.layers[0].seconds / 2)
    assert found.layers[1].mean_seconds > 10
