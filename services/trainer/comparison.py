"""Systems side by side: means with intervals, and differences paired by document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import pyarrow as pa

from services.trainer.evaluation import METRICS
from services.trainer.statistics import Interval, Values, bootstrap, paired_bootstrap
from services.trainer.systems import TEACHER, further, student_name
from stillhouse.errors import FailedPrecondition
from stillhouse.recipe import Recipe

SCHEMA = pa.schema(
    [
        ("system", pa.string()),
        ("versus", pa.string()),
        ("metric", pa.string()),
        ("mean", pa.float64()),
        ("low", pa.float64()),
        ("high", pa.float64()),
        ("n", pa.int64()),
    ]
)
"""`versus` is empty where a system stands alone; else the mean is of system minus versus."""


@dataclass(frozen=True, slots=True)
class Row:
    """A system's means by metric; with `versus`, its differences from that system."""

    system: str
    intervals: Mapping[str, Interval]
    versus: str = ""


def compare(tables: Mapping[str, pa.Table], recipe: Recipe) -> list[Row]:
    """The means of each system by name, then the differences of `pairs`.

    FailedPrecondition as `check_documents`.
    """
    check_documents(tables)
    found = [alone(name, table, recipe) for name, table in tables.items()]
    return found + [
        difference(one, other, tables, recipe) for one, other in pairs(list(tables), recipe)
    ]


def check_documents(tables: Mapping[str, pa.Table]) -> None:
    """FailedPrecondition names a table that is of other documents than the first."""
    first = next(iter(tables), "")
    for name, table in tables.items():
        if not table["source_id"].equals(tables[first]["source_id"]):
            raise FailedPrecondition(
                f"the table of {name!r} is of other documents than that of {first!r}: remove "
                f"evaluation/{name}.parquet, or evaluate into another folder (--out)"
            )


def pairs(systems: Sequence[str], recipe: Recipe) -> list[tuple[str, str]]:
    """Which systems are compared by difference: each student with the teacher and with the
    generation before it, and the last student with every further model.
    """
    students = [
        student_name(number)
        for number in range(1, recipe.generations + 1)
        if student_name(number) in systems
    ]
    wanted: list[tuple[str, str]] = []
    for place, student in enumerate(students):
        wanted += [(student, TEACHER)] if TEACHER in systems else []
        wanted += [(student, students[place - 1])] if place else []
    best = students[-1] if students else TEACHER
    rivals = further(systems, recipe.generations) if best in systems else []
    return wanted + [(best, rival) for rival in rivals]


def to_table(rows: Sequence[Row]) -> pa.Table:
    """The rows as SCHEMA, one line a metric."""
    return pa.Table.from_pylist(
        [
            {"system": row.system, "versus": row.versus, "metric": name, **asdict(interval)}
            for row in rows
            for name, interval in row.intervals.items()
        ],
        schema=SCHEMA,
    )


def alone(system: str, table: pa.Table, recipe: Recipe) -> Row:
    """A system's means."""
    return Row(
        system,
        {
            metric.name: bootstrap(
                _values(table, metric.name),
                resamples=recipe.evaluation.resamples,
                seed=recipe.seed,
            )
            for metric in METRICS
        },
    )


def difference(one: str, other: str, tables: Mapping[str, pa.Table], recipe: Recipe) -> Row:
    """System `one` minus `other`, paired by document."""
    return Row(
        one,
        {
            metric.name: paired_bootstrap(
                _values(tables[one], metric.name),
                _values(tables[other], metric.name),
                resamples=recipe.evaluation.resamples,
                seed=recipe.seed,
            )
            for metric in METRICS
        },
        other,
    )


def _values(table: pa.Table, column: str) -> Values:
    return np.array(table[column].to_pylist(), dtype=np.float64)
