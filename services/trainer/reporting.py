"""From what lies in a run's folder to its comparison, its plots and its report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from services.trainer import (
    comparison,
    comparison_page,
    evaluation,
    obtained,
    pairwise,
    plots,
    quality_table,
    tables,
)
from services.trainer.files import RunFolder, read_table, write_table, write_text
from services.trainer.report import Report, spread
from services.trainer.systems import in_order
from stillhouse.corpus import SourceDocument
from stillhouse.recipe import Recipe
from stillhouse.trainer.types import JudgedCandidate, Run

_SAMPLE = 500  # accepted samples of a generation that its quality is measured of


def write_report(folder: RunFolder, recipe: Recipe, teacher_digest: str, run: Run) -> None:
    """Write report.md with its plots, and the comparison as a table."""
    training, held_out = tables.documents_from(read_table(folder.documents))
    rows = compare(folder, recipe)
    sets = quality(folder, recipe)
    report = Report(
        run_id=folder.id,
        recipe=recipe,
        teacher_digest=teacher_digest,
        seconds=run.seconds,
        documents=len(training),
        held_out=len(held_out),
        generations=run.progress,
        systems=rows,
        words=evaluation.word_budget(held_out, recipe),
        judged=_judged(folder, recipe),
        quality=quality_table.markdown(sets) if sets else "",
        plots=plots.write(folder, recipe, run.progress, rows, sets),
        accepted=samples(folder, recipe, accepted=True),
        rejected=samples(folder, recipe, accepted=False),
        texts={one.id: one.text for one in training},
        stop_reason=run.stop_reason,
    )
    write_text(folder.report, report.markdown())


def write_comparison(
    folder: RunFolder, recipe: Recipe, held_out: Sequence[SourceDocument], of: str
) -> None:
    """Write a report.md of the systems alone; `of` says what was evaluated."""
    words = evaluation.word_budget(held_out, recipe)
    rows = compare(folder, recipe)
    parts = [
        f"# Evaluation of {of}",
        "",
        comparison_page.markdown(rows, recipe, len(held_out), words),
        _judged(folder, recipe),
        plots.write(folder, recipe, (), rows),
    ]
    write_text(folder.report, "\n".join(parts))


def compare(folder: RunFolder, recipe: Recipe) -> list[comparison.Row]:
    """The comparison of all systems that have a table; it is written as a table too."""
    names = in_order((path.stem for path in folder.evaluations()), recipe.generations)
    rows = comparison.compare({n: read_table(folder.evaluation(n)) for n in names}, recipe)
    write_table(folder.comparison, comparison.to_table(rows))
    return rows


def quality(folder: RunFolder, recipe: Recipe) -> list[quality_table.Measured]:
    """What the accepted samples of each generation are like, at equal numbers of them."""
    sets = {}
    for generation in range(1, recipe.generations + 1):
        if folder.dataset(generation).exists():
            rows = read_table(folder.dataset(generation)).select(["document", "summary"])
            pairs = [(row["document"], row["summary"]) for row in rows.to_pylist()]
            sets[f"generation {generation}"] = pairs
    return quality_table.measured(sets, _SAMPLE, recipe.seed)


def samples(folder: RunFolder, recipe: Recipe, *, accepted: bool) -> list[JudgedCandidate]:
    """A few of the candidates of all generations, evenly spaced; one row group is in memory."""
    paths = [folder.verdicts(number) for number in range(1, recipe.generations + 1)]
    rows = {}
    for path in filter(Path.exists, paths):
        flags = read_table(path, ["accepted"])["accepted"].to_numpy()
        rows[path] = np.flatnonzero(flags == accepted)
    chosen = spread(range(sum(map(len, rows.values()))))
    found: list[JudgedCandidate] = []
    start = 0
    for path, places in rows.items():
        here = [int(places[one - start]) for one in chosen if 0 <= one - start < len(places)]
        found += tables.judged_candidates(tables.rows_at(path, here))
        start += len(places)
    return found


def _judged(folder: RunFolder, recipe: Recipe) -> str:
    """What a judge said, and what students gave of what they were asked for."""
    parts = []
    if folder.judgements.exists():
        found = pairwise.tallies(read_table(folder.judgements), recipe)
        parts.append(pairwise.markdown(found, recipe))
    if folder.control.exists():
        settings = recipe.evaluation
        rows = obtained.summarise(
            read_table(folder.control), resamples=settings.resamples, seed=recipe.seed
        )
        parts.append(comparison_page.obeyed(rows))
    return "\n".join(parts)
