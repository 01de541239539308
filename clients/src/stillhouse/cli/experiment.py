"""`stillhouse experiment`: recipes compared on the same documents."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import click
from rich.console import Console

from stillhouse import corpus
from stillhouse.cli.options import RUNS, WORKSPACE
from stillhouse.filter.client import AsyncFilterClient
from stillhouse.generator.client import AsyncGeneratorClient
from stillhouse.local.configure import configure
from stillhouse.local.prepare import Workspace
from stillhouse.local.stack import Stack, running
from stillhouse.recipe import Recipe


@click.group()
def experiment() -> None:
    """Compare recipes on the same documents."""


@experiment.command()
@click.argument("arms", type=click.Path(path_type=Path))
@click.option(
    "--documents", type=click.IntRange(min=1), default=100, show_default=True,
    help="Documents that every arm writes about.",
)  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The page to write.")
@WORKSPACE
def ladder(arms: Path, documents: int, out: Path, workspace: Path) -> None:
    """Measure which share of candidates passes the filter, for each arm of the file ARMS."""
    from services.experiments.arms import read_arms  # noqa: PLC0415  (services are optional)
    from services.experiments.ladder import Bench, climb  # noqa: PLC0415
    from services.experiments.ladder_report import markdown  # noqa: PLC0415
    from services.trainer.files import write_text  # noqa: PLC0415
    from services.trainer.keywords import Idf  # noqa: PLC0415

    console = Console()
    chosen = read_arms(arms)
    recipe = chosen[0].recipe
    space = Workspace(workspace.resolve())
    config = configure(recipe, space, console.print)
    training, _ = corpus.split(corpus.load(recipe.corpus), recipe.corpus.held_out, recipe.seed)
    key = hashlib.sha256(f"{arms.read_text()}\0{documents}\0{config.teacher.digest}".encode())
    folder = space.root / "experiments" / f"{arms.stem}-{key.hexdigest()[:12]}"
    with running(config) as stack:

        async def work() -> None:
            async with _services(stack) as (generator, judge):
                bench = Bench(
                    generator,
                    judge,
                    config.teacher,
                    _spread(training, documents, recipe.seed),
                    Idf(one.text for one in training),
                    folder,
                )
                tables = await climb(bench, chosen, console.print)
                write_text(out, markdown(chosen, tables, config.teacher))

        asyncio.run(work())
    console.print(f"written: {out}; tables in {folder}", highlight=False, soft_wrap=True)


@experiment.command()
@click.argument("run")
@click.option(
    "--layer", "layers", multiple=True,
    help="A layer that is left out in an arm of its own; by default each of the recipe's.",
)  # fmt: skip
@click.option(
    "--student-layers", type=click.IntRange(min=1), multiple=True, metavar="N",
    help="Also a student that keeps N layers of its teacher.",
)  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The page to write.")
@RUNS
@WORKSPACE
def ablation(
    run: str,
    layers: tuple[str, ...],
    student_layers: tuple[int, ...],
    out: Path,
    runs: Path,
    workspace: Path,
) -> None:
    """Train students on the first generation of RUN, with each layer of the filter left out."""
    from services.experiments.ablation import Bench, ablate, arms_of  # noqa: PLC0415
    from services.experiments.ablation_page import markdown  # noqa: PLC0415
    from services.trainer import tables  # noqa: PLC0415
    from services.trainer.files import RunFolder, read_table, write_text  # noqa: PLC0415
    from services.trainer.systems import TEACHER  # noqa: PLC0415

    console = Console()
    found = RunFolder(runs / run)
    recipe = Recipe.read(found.recipe)
    arms = arms_of(recipe, layers, student_layers)
    _, held_out = tables.documents_from(read_table(found.documents))
    space = Workspace(workspace.resolve())
    config = configure(recipe, space, console.print)
    folder = RunFolder(space.root / "experiments" / f"ablation-{found.id}")
    with running(config) as stack:

        async def work() -> None:
            async with _services(stack) as (generator, judge):
                bench = Bench(found, recipe, config.teacher, generator, judge, folder)
                used = await ablate(bench, arms, held_out, console.print)
                results = {name: read_table(folder.evaluation(name)) for name in (TEACHER, *used)}
                write_text(out, markdown(bench, results, used))

        asyncio.run(work())
    console.print(f"written: {out}; students in {folder.path}", highlight=False, soft_wrap=True)


@experiment.command()
@click.argument("run")
@click.option(
    "--guidance-scale", "scales", type=click.FloatRange(min=1), multiple=True,
    default=(1.0, 1.5, 2.0, 3.0), show_default=True, help="A scale to try.",
)  # fmt: skip
@click.option(
    "--documents", type=click.IntRange(min=1), default=30, show_default=True,
    help="Documents by which the scale is chosen, of those that the run did not use.",
)  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The page to write.")
@RUNS
@WORKSPACE
def control(
    run: str,
    scales: tuple[float, ...],
    documents: int,
    out: Path,
    runs: Path,
    workspace: Path,
) -> None:
    """Find the guidance scale by which the systems of RUN do best what they are asked for."""
    from services.experiments.listening import listen, listeners, unused  # noqa: PLC0415
    from services.experiments.listening_page import markdown  # noqa: PLC0415
    from services.trainer import tables  # noqa: PLC0415
    from services.trainer.examiner import Examiner  # noqa: PLC0415
    from services.trainer.files import RunFolder, read_table, write_text  # noqa: PLC0415

    console = Console()
    found = RunFolder(runs / run)
    recipe = Recipe.read(found.recipe)
    training, held_out = tables.documents_from(read_table(found.documents))
    chosen_by = unused(found, recipe, training, documents)
    space = Workspace(workspace.resolve())
    config = configure(recipe, space, console.print)
    systems = listeners(found, recipe, config.teacher)
    folder = RunFolder(space.root / "experiments" / f"control-{found.id}-{documents}")
    with running(config) as stack:

        async def work() -> None:
            async with _services(stack) as (generator, judge):
                examiner = Examiner(generator, judge, recipe, folder, held_out, lambda _: None)
                page = await listen(
                    systems,
                    lambda model: lambda prompts: examiner.write(model, prompts),
                    scales,
                    chosen_by,
                    held_out,
                    found,
                    folder,
                    recipe,
                    console.print,
                )
                write_text(out, markdown(found.id, recipe, page))

        asyncio.run(work())
    console.print(f"written: {out}; tables in {folder.path}", highlight=False, soft_wrap=True)


@experiment.command()
@click.argument("run_ids", metavar="RUN RUN ...", nargs=-1, required=True)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The page to write.")
@RUNS
def seeds(run_ids: tuple[str, ...], out: Path, runs: Path) -> None:
    """Compare the systems of several runs of a recipe, which differ in their seed alone."""
    from services.experiments.pooled import markdown, read_run  # noqa: PLC0415
    from services.trainer.files import RunFolder, write_text  # noqa: PLC0415

    write_text(out, markdown([read_run(RunFolder(runs / one)) for one in run_ids]))
    Console().print(f"written: {out}", highlight=False, soft_wrap=True)


@asynccontextmanager
async def _services(stack: Stack) -> AsyncIterator[tuple[AsyncGeneratorClient, AsyncFilterClient]]:
    """A stack's generator and filter, for long calls."""
    async with (
        AsyncGeneratorClient(stack.targets["generator-1"], timeout=3600) as generator,
        AsyncFilterClient(stack.targets["filter"], timeout=3600) as judge,
    ):
        yield generator, judge


def _spread(
    documents: list[corpus.SourceDocument], count: int, seed: int
) -> list[corpus.SourceDocument]:
    """`count` documents chosen by a hash of seed and id."""
    ranked = sorted(
        documents, key=lambda one: hashlib.sha256(f"{seed}\0{one.id}".encode()).digest()
    )
    return ranked[:count]
