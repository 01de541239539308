"""The page of an ablation: each arm's means, and its difference from the whole filter."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version

import numpy as np
import pyarrow as pa

from services.experiments.ablation import BY_LOT, FULL, Bench
from services.trainer.statistics import Interval, Values, bootstrap, paired_bootstrap

_METRICS = (
    ("rouge_l", "ROUGE-L", 3),
    ("rouge_l_cut", "ROUGE-L, cut", 3),
    ("words", "words", 1),
    ("pmi", "PMI", 2),
    ("passed", "passes the filter", 2),
)


def markdown(bench: Bench, tables: Mapping[str, pa.Table], samples: Mapping[str, int]) -> str:
    """The whole page; `tables` by arm, the teacher among them, `samples` that trained each."""
    when = datetime.now(UTC).strftime("%Y-%m-%d")
    held_out = len(tables[FULL])
    others = [name for name in tables if name != FULL]
    return "\n".join(
        [
            f"# Which layers matter: run {bench.run.id}",
            "",
            f"{when}, {platform.machine()} with {os.cpu_count()} CPUs, Python "
            f"{platform.python_version()}, torch {version('torch')}, transformers "
            f"{version('transformers')}. Teacher `{bench.recipe.teacher.model}`, seed "
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
                    [name, str(samples.get(name, "-")), *_alone(bench, table)]
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
                [[name, *_difference(bench, tables[name], tables[FULL])] for name in others],
            ),
            "",
        ]
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    titles = [*head, *(title for _, title, _ in _METRICS)]
    return [
        "| " + " | ".join(titles) + " |",
        "| " + " | ".join(["---"] * len(titles)) + " |",
        *("| " + " | ".join(row) + " |" for row in rows),
    ]


def _alone(bench: Bench, table: pa.Table) -> list[str]:
    resamples, seed = bench.recipe.evaluation.resamples, bench.recipe.seed
    return [
        _cell(bootstrap(_values(table, name), resamples=resamples, seed=seed), digits)
        for name, _, digits in _METRICS
    ]


def _difference(bench: Bench, one: pa.Table, other: pa.Table) -> list[str]:
    resamples, seed = bench.recipe.evaluation.resamples, bench.recipe.seed
    cells = []
    for name, _, digits in _METRICS:
        found = paired_bootstrap(
            _values(one, name), _values(other, name), resamples=resamples, seed=seed
        )
        cell = _cell(found, digits)
        cells.append(f"**{cell}**" if found.low > 0 or found.high < 0 else cell)
    return cells


def _values(table: pa.Table, column: str) -> Values:
    return np.array(table[column].to_pylist(), dtype=np.float64)


def _cell(value: Interval, digits: int) -> str:
    return f"{value.mean:.{digits}f} [{value.low:.{digits}f}, {value.high:.{digits}f}]"
