"""The page that tells by which guidance scale a run's systems listen best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from services.experiments.listening import Found
from services.experiments.measured import measured_on
from services.trainer.comparison_page import cell
from services.trainer.obtained import Row
from stillhouse.recipe import Recipe


def markdown(run_id: str, recipe: Recipe, found: Found) -> str:
    """The whole page."""
    return "\n".join(
        [
            f"# Asked and obtained, by guidance scale: run {run_id}",
            "",
            f"{measured_on('torch', 'transformers')}. Teacher `{recipe.teacher.model}`, seed "
            f"{recipe.seed}. Each document is asked for each bucket, at temperature "
            f"{recipe.evaluation.temperature:g}; intervals are over documents.",
            "",
            f"## On {_documents(found.validation)} documents that the run did not use",
            "",
            *_table(found.validation),
            "",
            f"So the scale is **{found.chosen:g}**.",
            "",
            f"## On the {_documents(found.held_out)} held-out documents",
            "",
            *_table(found.held_out),
            "",
        ]
    )


def _documents(rows: Mapping[float, Sequence[Row]]) -> int:
    return next(row.spearman.n for group in rows.values() for row in group)


def _table(rows: Mapping[float, Sequence[Row]]) -> list[str]:
    return [
        "| system | guidance scale | control | Spearman | hits | by chance |",
        "| --- | ---: | --- | --- | --- | ---: |",
        *(
            f"| {row.system} | {scale:g} | {row.kind} | {cell(row.spearman, 2, False)} | "
            f"{cell(row.hits, 2, False)} | {row.chance:.2f} |"
            for scale, group in rows.items()
            for row in group
        ),
    ]
