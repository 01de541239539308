"""Runs of one recipe with several seeds, as one comparison: their documents pooled.

A seed draws its own held-out documents, samples and order of training, so that intervals
over the pooled documents hold both kinds of chance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median_high

import pyarrow as pa

from services.trainer import comparison, comparison_page, evaluation, tables
from services.trainer.files import RunFolder, read_table
from services.trainer.monitor import load_saved
from services.trainer.systems import in_order
from stillhouse.errors import InvalidArgument
from stillhouse.recipe import Recipe
from stillhouse.trainer.types import GenerationProgress


@dataclass(frozen=True, slots=True)
class Found:
    """A run: its recipe, its systems' tables, and how its generations were collected."""

    id: str
    recipe: Recipe
    systems: dict[str, pa.Table]
    words: int
    progress: tuple[GenerationProgress, ...]


def read_run(folder: RunFolder) -> Found:
    """A run of which every system is examined."""
    recipe = Recipe.read(folder.recipe)
    _, held_out = tables.documents_from(read_table(folder.documents))
    names = in_order((path.stem for path in folder.evaluations()), recipe.generations)
    return Found(
        folder.id,
        recipe,
        {name: read_table(folder.evaluation(name)) for name in names},
        evaluation.word_budget(held_out, recipe),
        tuple(load_saved(folder).run.progress),
    )


def pooled(runs: Sequence[Found]) -> dict[str, pa.Table]:
    """The tables of the systems that all runs have, one under the other.

    InvalidArgument if the runs differ in more than their seed, or two have the same.
    """
    first = runs[0].recipe
    for place, one in enumerate(runs):
        if one.recipe.model_copy(update={"seed": first.seed}) != first:
            raise InvalidArgument("runs", f"{one.id} is of another recipe than {runs[0].id}")
        if one.recipe.seed in [other.recipe.seed for other in runs[:place]]:
            raise InvalidArgument("runs", f"{one.id} has the seed of another run")
    names = [name for name in runs[0].systems if all(name in one.systems for one in runs)]
    return {name: pa.concat_tables([one.systems[name] for one in runs]) for name in names}


def markdown(runs: Sequence[Found]) -> str:
    """The whole page: the runs' funnels, and the comparison over all documents."""
    found = pooled(runs)
    recipe = runs[0].recipe
    rows = comparison.compare(found, recipe)
    documents = len(next(iter(found.values()), ()))
    words = median_high([one.words for one in runs])
    lines = [
        f"# Recipe `{recipe.name}`, {len(runs)} seeds",
        "",
        "| run | seed | generation | candidates | accepted | pass rate | seconds |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
        *(_line(one, generation) for one in runs for generation in one.progress),
        "",
        comparison_page.markdown(rows, recipe, documents, words),
    ]
    return "\n".join(lines)


def _line(run: Found, generation: GenerationProgress) -> str:
    cells = [
        f"`{run.id}`",
        str(run.recipe.seed),
        str(generation.generation),
        str(generation.judged),
        str(generation.accepted),
        f"{generation.pass_rate:.1%}",
        f"{generation.seconds:.0f}",
    ]
    return "| " + " | ".join(cells) + " |"
