from __future__ import annotations

import pyarrow as pa
import pytest

from services.experiments.pooled import Found, markdown, pooled
from services.trainer import evaluation
from stillhouse.errors import InvalidArgument
from stillhouse.recipe import Evaluation, Recipe
from stillhouse.trainer.types import GenerationProgress


def table(*scores: float) -> pa.Table:
    rows = [
        {name: score for name in evaluation.SCHEMA.names if name not in _WORDS}
        | dict.fromkeys(_WORDS, "")
        | {"passed": score > 0}
        for score in scores
    ]
    return pa.Table.from_pylist(rows, schema=evaluation.SCHEMA)


_WORDS = ("source_id", "text", "reference", "reason")


def run(seed: int, systems: dict[str, pa.Table], name: str = "run") -> Found:
    recipe = Recipe(name=name, seed=seed, evaluation=Evaluation(resamples=100))
    progress = (GenerationProgress(1, judged=200, accepted=13, target=64, budget=2400),)
    return Found(f"run-{seed}", recipe, systems, 9, progress)


def test_documents_of_all_seeds_are_one_sample() -> None:
    one = run(1, {"teacher": table(0.0, 0.2), "student gen 1": table(0.4, 0.5), "copy": table(1.0)})
    two = run(2, {"teacher": table(0.1), "student gen 1": table(0.6)})
    found = pooled([one, two])
    assert {name: values["rouge_l"].to_pylist() for name, values in found.items()} == {
        "teacher": [0.0, 0.2, 0.1],
        "student gen 1": [0.4, 0.5, 0.6],
    }
    page = markdown([one, two])
    assert "| `run-2` | 2 | 1 | 200 | 13 | 6.5% | 0 |" in page
    assert "## Systems on 3 held-out documents" in page
    (difference,) = [
        line for line in page.split("### Differences")[1].splitlines() if "gen 1" in line
    ]
    assert "**+0.400 [+0.300, +0.500]**" in difference  # by the twin: all resamples lie in between


@pytest.mark.parametrize(
    ("other", "why"), [(run(2, {}, "another"), "another recipe"), (run(1, {}), "the seed")]
)
def test_runs_that_do_not_belong_together_are_refused(other: Found, why: str) -> None:
    with pytest.raises(InvalidArgument, match=why):
        pooled([run(1, {}), other])
