"""Reading what a run judged: its funnel with costs, and samples."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.experiments.rethreshold import Stored
from services.trainer import tables
from services.trainer.cascades import cascade_of
from services.trainer.files import RunFolder, read_table
from services.trainer.funnel import funnel
from services.trainer.near_duplicates import NEAR_DUPLICATE
from stillhouse.errors import NotFound
from stillhouse.filter.types import LayerStats, Verdict
from stillhouse.recipe import Recipe

Row = Mapping[str, Any]
"""A row of VERDICTS."""


@dataclass(frozen=True)
class RunVerdicts:
    """The recipe of a run, its documents by id, and its rows by generation."""

    recipe: Recipe
    texts: Mapping[str, str]
    rows: Mapping[int, Sequence[Row]]

    @property
    def layers(self) -> list[str]:
        """The layers in their order, the buffer's last."""
        return [*(layer.name for layer in cascade_of(self.recipe).layers), NEAR_DUPLICATE]


def read_run(folder: RunFolder) -> RunVerdicts:
    """All generations that are complete; NotFound without a run, or without any."""
    if not folder.recipe.is_file():
        raise NotFound(f"no run at {folder.path}: there is no {folder.recipe.name}")
    recipe = Recipe.parse(folder.recipe.read_text(encoding="utf-8"))
    training, _ = tables.documents_from(read_table(folder.documents))
    rows: dict[int, Sequence[Row]] = {}
    for generation in range(1, recipe.generations + 1):
        path = folder.verdicts(generation)
        if path.exists():
            rows[generation] = read_table(path).to_pylist()
    if not rows:
        raise NotFound(f"run {folder.id} has no complete generation yet")
    return RunVerdicts(recipe, {one.id: one.text for one in training}, rows)


def costed_funnel(rows: Sequence[Row], layers: Sequence[str]) -> list[LayerStats]:
    """The funnel of these rows, with the seconds that each layer took."""
    counts = funnel((verdict_of(row) for row in rows), layers)
    seconds: dict[str, float] = dict.fromkeys(layers, 0.0)
    for row in rows:
        for name, value in row.get("seconds") or ():
            if name in seconds:
                seconds[name] += value
    return [LayerStats(one.name, one.seen, one.passed, seconds[one.name]) for one in counts]


def generating_seconds(rows: Iterable[Row]) -> float:
    """Seconds that generating the candidates took."""
    return float(sum(dict(row.get("seconds") or ()).get("generate", 0.0) for row in rows))


def verdict_of(row: Row) -> Verdict:
    """The final verdict of a row."""
    scores = dict(row["scores"])
    return Verdict(row["id"], row["accepted"], row["layer"], row["reason"], scores)


def stored(rows: Sequence[Row]) -> list[Stored]:
    """Rows as `rethreshold` takes them; they come from a VERDICTS table."""
    candidates, verdicts = tables.judged_from(tables.verdicts_from_rows(rows))
    return [
        Stored(row["batch"], candidate, verdict)
        for row, candidate, verdict in zip(rows, candidates, verdicts, strict=True)
    ]


def chosen(
    rows: Iterable[Row], *, accepted: bool | None, layer: str, sample: int, seed: int
) -> list[Row]:
    """At most `sample` rows that were accepted, rejected or (None) either, and rejected by
    `layer` unless that is empty; drawn by `seed`, in their order.
    """
    wanted = [
        row
        for row in rows
        if (accepted is None or row["accepted"] == accepted)
        and (not layer or row["layer"] == layer)
    ]
    if len(wanted) <= sample:
        return wanted
    picked = sorted(random.Random(seed).sample(range(len(wanted)), sample))
    return [wanted[place] for place in picked]
