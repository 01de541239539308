"""The ladder's page: shares with intervals over documents, layer by layer, and samples."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from services.experiments.arms import Arm
from services.experiments.measured import measured_on
from services.trainer.cascades import cascade_of
from services.trainer.statistics import bootstrap
from stillhouse.generator.types import ModelPointer

_RESAMPLES = 2000
_SHOWN = 5


def markdown(arms: Sequence[Arm], tables: Sequence[pa.Table], teacher: ModelPointer) -> str:
    """The whole page."""
    first = arms[0].recipe
    documents = len(set(tables[0]["source_id"].to_pylist()))
    lines = [
        "# The ladder: how many candidates pass the whole filter",
        "",
        f"{measured_on('torch', 'transformers')}. Teacher `{first.teacher.model}`, digest "
        f"`{teacher.digest[:16]}`; {documents} documents, the same for every arm; seed "
        f"{first.seed}. Intervals are 95 % by bootstrap over documents.",
        "",
        "| arm | candidates | meet all clauses | pass | documents with one | "
        "generating, s a candidate | s an accepted one |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
        *(_row(arm, table) for arm, table in zip(arms, tables, strict=True)),
        "",
        "## Layer by layer",
        "",
        "Share of those that reached the layer.",
        "",
        *_layers(arms, tables),
        "",
        *_samples(arms, tables),
    ]
    return "\n".join(lines) + "\n"


def _row(arm: Arm, table: pa.Table) -> str:
    rows = table.to_pylist()
    by_source: dict[str, list[bool]] = {}
    for row in rows:
        by_source.setdefault(row["source_id"], []).append(row["accepted"])
    shares = np.array([np.mean(values) for values in by_source.values()])
    passed = bootstrap(shares, resamples=_RESAMPLES, seed=arm.recipe.seed)
    some = np.mean([any(values) for values in by_source.values()])
    met = np.mean([all(row["clauses"]) for row in rows]) if rows else float("nan")
    generate = sum(row["generate_seconds"] for row in rows)
    seconds = generate + sum(row["filter_seconds"] for row in rows)
    accepted = sum(row["accepted"] for row in rows)
    each = f"{seconds / accepted:.1f}" if accepted else "-"
    shown = f"{met:.1%}" if arm.recipe.constraints.active else "-"
    return (
        f"| {arm.name} | {len(rows)} | {shown} | **{passed.mean:.1%}** [{passed.low:.1%}, "
        f"{passed.high:.1%}] | {some:.0%} | {generate / max(1, len(rows)):.2f} | {each} |"
    )


def _layers(arms: Sequence[Arm], tables: Sequence[pa.Table]) -> list[str]:
    names: dict[str, None] = {}
    for arm in sorted(arms, key=lambda arm: not arm.recipe.constraints.active):
        names.update(dict.fromkeys(layer.name for layer in cascade_of(arm.recipe).layers))
    lines = [f"| arm | {' | '.join(names)} |", f"| --- |{' ---: |' * len(names)}"]
    for arm, table in zip(arms, tables, strict=True):
        left = len(table)
        cells = []
        used = {layer.name for layer in cascade_of(arm.recipe).layers}
        rejected = table["layer"].to_pylist()
        for name in names:
            if name not in used or not left:
                cells.append("-")
                continue
            passed = left - rejected.count(name)
            cells.append(f"{passed / left:.0%}")
            left = passed
        lines.append(f"| {arm.name} | {' | '.join(cells)} |")
    return lines


def _samples(arms: Sequence[Arm], tables: Sequence[pa.Table]) -> list[str]:
    lines: list[str] = []
    for arm, table in zip(arms, tables, strict=True):
        accepted = [row for row in table.to_pylist() if row["accepted"]]
        step = max(1, len(accepted) // _SHOWN)
        lines += [f"## {arm.name}: accepted, one in {step}", ""]
        lines += [f"- {row['source_id']}: {row['text']}" for row in accepted[::step][:_SHOWN]]
        lines.append("")
    return lines
