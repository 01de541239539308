from __future__ import annotations

from typing import Any

from services.experiments.verdicts import chosen, costed_funnel, generating_seconds
from services.trainer.tables import Costs
from stillhouse.filter.types import LayerStats, Verdict

COSTS = Costs(8.0, (LayerStats("brevity", 4, 3, 0.4), LayerStats("surface", 3, 1, 0.6)))
VERDICTS = [
    Verdict("a", False, "brevity", "brevity.too_short"),
    Verdict("b", False, "surface", "surface.unfinished"),
    Verdict("c", False, "surface", "surface.unfinished"),
    Verdict("d", True),
]


def row(verdict: Verdict) -> dict[str, Any]:
    return {
        "id": verdict.candidate_id,
        "accepted": verdict.accepted,
        "layer": verdict.layer,
        "reason": verdict.reason,
        "scores": [],
        "seconds": list(COSTS.share(verdict, 4).items()),
    }


ROWS = [row(verdict) for verdict in VERDICTS]


def test_costs_add_up_to_what_was_measured() -> None:
    brevity, surface = costed_funnel(ROWS, ["brevity", "surface"])
    assert (brevity.seen, brevity.passed, round(brevity.seconds, 9)) == (4, 3, 0.4)
    assert (surface.seen, surface.passed, round(surface.seconds, 9)) == (3, 1, 0.6)
    assert generating_seconds(ROWS) == 8.0


def test_rows_are_chosen_by_verdict_and_layer() -> None:
    assert [one["id"] for one in chosen(ROWS, accepted=True, layer="", sample=9, seed=0)] == ["d"]
    rejected = chosen(ROWS, accepted=False, layer="surface", sample=9, seed=0)
    assert [one["id"] for one in rejected] == ["b", "c"]
    assert len(chosen(ROWS, accepted=None, layer="", sample=2, seed=0)) == 2
    draws = [chosen(ROWS, accepted=None, layer="", sample=2, seed=1) for _ in range(2)]
    assert draws[0] == draws[1]


def test_rows_without_costs_count_as_free() -> None:
    bare = [{name: value for name, value in one.items() if name != "seconds"} for one in ROWS]
    assert [one.seconds for one in costed_funnel(bare, ["brevity", "surface"])] == [0.0, 0.0]
