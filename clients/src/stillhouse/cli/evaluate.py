"""`stillhouse evaluate`: models compared on held-out documents."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click
import yaml
from rich.console import Console
from rich.markdown import Markdown

from stillhouse.cli.options import RUNS, WORKSPACE
from stillhouse.corpus import SourceDocument
from stillhouse.errors import InvalidArgument, NotFound
from stillhouse.generator.types import ModelPointer
from stillhouse.local.configure import configure
from stillhouse.local.prepare import Workspace
from stillhouse.local.rivals import Rivals, prepare_rivals
from stillhouse.local.stack import running
from stillhouse.recipe import Recipe

if TYPE_CHECKING:
    from services.trainer.files import RunFolder


@click.command()
@click.argument("what", metavar="RUN|RECIPE")
@click.option(
    "--documents", type=click.Path(path_type=Path),
    help="Evaluate on these: JSONL or Parquet with `document` and `summary`, or the recipe's "
    "fields. By default the documents that the recipe holds out.",
)  # fmt: skip
@click.option(
    "--system", "systems", multiple=True, metavar="NAME=MODEL",
    help="A further model: a folder, a hub id, openai:http://HOST:PORT#MODEL, "
    "tgi:http://HOST:PORT or generator:HOST:PORT. May be given many times.",
)  # fmt: skip
@click.option(
    "--out", type=click.Path(path_type=Path),
    help="Folder for tables, plots and report.md; by default the run's own.",
)  # fmt: skip
@RUNS
@WORKSPACE
def evaluate(
    what: str,
    documents: Path | None,
    systems: tuple[str, ...],
    out: Path | None,
    runs: Path,
    workspace: Path,
) -> None:
    """Compare the teacher, the students of RUN and further models on held-out documents.

    With a RECIPE in place of a run: the teacher and further models alone.
    """
    console = Console()
    job = _job(what, documents, systems, out, runs)
    space = Workspace(workspace.resolve())
    config = configure(job.recipe, space, lambda text: console.print(text, highlight=False), runs)
    rivals = prepare_rivals(job.recipe, config.teacher, space)
    config = replace(config, independent=rivals.critic, servers=rivals.servers)
    console.print(f"starting the services, logs in {config.logs_folder}", highlight=False)
    with job.out.alone() if job.whole else nullcontext(), running(config) as stack:
        report = complete(job, config.teacher, rivals, stack.targets, console)
    console.print(Markdown(report.read_text(encoding="utf-8")))
    console.print(f"results in {report.parent}", highlight=False, soft_wrap=True)


@dataclass(frozen=True, slots=True)
class Job:
    """What to evaluate on which documents, and where the results go.

    `whole`: these are the run's own documents and its own folder, so its report is rewritten.
    """

    recipe: Recipe
    run: RunFolder | None
    out: RunFolder
    held_out: list[SourceDocument]
    whole: bool
    name: str


def complete(
    job: Job,
    teacher: ModelPointer,
    rivals: Rivals,
    targets: Mapping[str, str],
    console: Console,
) -> Path:
    """Examine what has no table yet, with the services at `targets`; returns the report."""
    from services.experiments.evaluating import examine, systems_of  # noqa: PLC0415
    from services.experiments.judging import judge  # noqa: PLC0415
    from services.trainer.monitor import load_saved  # noqa: PLC0415
    from services.trainer.reporting import write_comparison, write_report  # noqa: PLC0415

    systems = systems_of(job.recipe, teacher, job.run, rivals, targets)

    def say(text: str) -> None:
        console.print(f"evaluating {text}", highlight=False)

    async def work() -> None:
        await examine(job.recipe, job.out, job.held_out, systems, targets, say)
        await judge(job.recipe, job.out, job.held_out, lambda pair: say(f"pairs: {pair}"))

    asyncio.run(work())
    if job.whole and job.run:
        write_report(job.run, job.recipe, teacher.digest, load_saved(job.run).run)
    else:
        write_comparison(job.out, job.recipe, job.held_out, job.name)
    return job.out.report


def job_of_run(path: Path, recipe: Recipe) -> Job:
    """The run at `path` on its own held-out documents."""
    from services.trainer import tables  # noqa: PLC0415
    from services.trainer.files import RunFolder, read_table  # noqa: PLC0415

    folder = RunFolder(path)
    _, held_out = tables.documents_from(read_table(folder.documents))
    return Job(recipe, folder, folder, held_out, True, folder.id)


def _job(
    what: str, documents: Path | None, systems: tuple[str, ...], out: Path | None, runs: Path
) -> Job:
    from services.experiments.evaluating import read_documents, trained_on  # noqa: PLC0415
    from services.trainer.documents import documents_of  # noqa: PLC0415
    from services.trainer.files import RunFolder  # noqa: PLC0415

    run = None if Path(what).is_file() else RunFolder(runs / what)
    if run and not run.recipe.is_file():
        raise NotFound(f"{what} is neither a recipe nor a run in {runs}")
    recipe = _with_systems(Recipe.read(run.recipe if run else Path(what)), systems)
    if run and not documents:
        own = job_of_run(run.path, recipe)
        if out is None:
            return own
        return Job(recipe, run, RunFolder(out), own.held_out, False, run.id)
    name = f"{what} on {documents}" if documents else what
    if documents:
        held_out = read_documents(documents, recipe)
        name += trained_on(run, held_out) if run else ""
        default = run.path / "evaluations" / documents.stem if run else None
    else:
        _, held_out = documents_of(recipe)
        default = None
    place = out or default
    if place is None:
        raise InvalidArgument("--out", "is needed for a recipe: a folder for the results")
    if not held_out:
        raise InvalidArgument(
            "recipe.corpus.held_out", "holds no document out: raise it, or give --documents"
        )
    return Job(recipe, run, RunFolder(place), held_out, False, name)


def _with_systems(recipe: Recipe, systems: tuple[str, ...]) -> Recipe:
    """The recipe with the models of --system too."""
    values = recipe.model_dump(mode="json")
    for one in systems:
        name, sign, model = one.partition("=")
        if not sign or not model:
            raise InvalidArgument("--system", f"{one!r} is not NAME=MODEL")
        if model.startswith((".", "/")):
            model = str(Path(model).resolve())
        values["evaluation"]["models"].append({"name": name.strip(), "model": model})
    return Recipe.parse(yaml.safe_dump(values)) if systems else recipe
