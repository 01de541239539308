from __future__ import annotations

import pyarrow as pa
import pytest

from services.trainer import pairwise
from services.trainer.pairwise import Answer, outcome, tallies
from stillhouse.recipe import Recipe

RECIPE = Recipe.parse("evaluation: {resamples: 100, judge: {url: 'http://x', model: big}}")


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("system", "system", "win"),
        ("versus", "versus", "loss"),
        ("tie", "tie", "tie"),
        ("system", "versus", "disagreement"),
        ("tie", "system", "disagreement"),
        ("unclear", "system", "unclear"),
        ("tie", "unclear", "unclear"),
    ],
)
def test_two_orders_come_to_one_outcome(first: Answer, second: Answer, expected: str) -> None:
    assert outcome(first, second) == expected


def table(*answers: tuple[Answer, Answer]) -> pa.Table:
    rows = [
        {
            "system": "student",
            "versus": "teacher",
            "source_id": str(place),
            "first": first,
            "second": second,
            "outcome": outcome(first, second),
        }
        for place, (first, second) in enumerate(answers)
    ]
    return pa.Table.from_pylist(rows, schema=pairwise.SCHEMA)


def test_a_tally_by_hand() -> None:
    # Preferences by document: 1, 1, -1, 0 (orders disagree), 0.5, and one that is not known.
    (tally,) = tallies(
        table(
            ("system", "system"),
            ("system", "system"),
            ("versus", "versus"),
            ("system", "versus"),
            ("system", "tie"),
            ("unclear", "system"),
        ),
        RECIPE,
    )
    assert [tally.counts[name] for name in pairwise.OUTCOMES] == [2, 0, 1, 2, 1]
    assert (tally.preference.mean, tally.preference.n) == (0.3, 5)
    # In front stood the system first, the other second: 4 of 5 and 2 of 5 preferences.
    assert tally.front == 0.6
    page = pairwise.markdown([tally], RECIPE)
    assert "By `big` at a server" in page
    assert "| student against teacher | 2 | 0 | 1 | 2 | 1 | +0.30 [" in page
    assert page.rstrip().endswith("| 0.60 |")


def test_a_judge_that_always_takes_the_first_decides_nothing() -> None:
    always: tuple[Answer, Answer] = ("system", "versus")
    (tally,) = tallies(table(*[always] * 5), RECIPE)
    assert tally.counts["disagreement"] == 5
    assert (tally.preference.mean, tally.preference.low, tally.preference.high) == (0, 0, 0)
    assert tally.front == 1


def test_where_nobody_judged_nothing_is_said() -> None:
    assert pairwise.markdown([], RECIPE) == ""
    (tally,) = tallies(table(("unclear", "unclear")), RECIPE)
    assert "| 1 | - | - |" in pairwise.markdown([tally], RECIPE)
