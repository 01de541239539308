"""The page of an ablation: each arm's means, and its difference from the whole filter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa

from services.experiments.ablation import BY_LOT, FULL, Bench
from services.experiments.measured import measured_on
from services.trainer.comparison import Row, alone, difference
from services.trainer.comparison_page import cell
from services.trainer.evaluation import METRICS

_SHOWN = ("rouge_l", "rouge_l_cut", "words", "pmi", "passed")
_METRICS = [next(one for one in METRICS if one.name == name) for name in _SHOWN]


def markdown(bench: Bench, tables: Mapping[str, pa.Table], samples: Mapping[str, int]) -> str:
    """The whole page; `tables` by arm, the teacher among them, `samples` that trained each."""
    held_out = len(tables[FULL])
    others = [name for name in tables if name != FULL]
    return "\n".join(
        [
            f"# Which layers matter: run {bench.run.id}",
            "",
            f"{measured_on('torch', 'transformers')}. Teacher `{bench.recipe.teacher.model}`, seed "
            f"{bench.recipe.seed}, {held_out} held-out documents. Every student comes of the same "
            f"teacher and of as many samples of generation 1, where there are so many; `{BY_LOT}` "
            "are any candidates. Near-duplicates among those that a missing layer lets through "
            "are not removed.",
            "",
            "Mean and 95 % bootstrap interval over documents.",
            "",
            *_table(
                ["student of", "samples"],
                [
                    [name, str(samples.get(name, "-")), *_cells(alone(name, table, bench.recipe))]
                    for name, table in tables.items()
                ],
            ),
            "",
            f"## Minus `{FULL}`",
            "",
            "Paired by document. **Bold** where the interval leaves zero out.",
            "",
            *_table(
                ["student of"],
                [[name, *_cells(difference(name, FULL, tables, bench.recipe))] for name in others],
            ),
            "",
        ]
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    titles = [*head, *(one.title for one in _METRICS)]
    return [
        "| " + " | ".join(titles) + " |",
        "| " + " | ".join(["---"] * len(titles)) + " |",
        *("| " + " | ".join(row) + " |" for row in rows),
    ]


def _cells(row: Row) -> list[str]:
    return [cell(row.intervals[one.name], one.digits, bool(row.versus)) for one in _METRICS]
