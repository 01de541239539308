"""`stillhouse calibrate`: thresholds for a recipe's critic and documents, without labels."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click
from rich.console import Console

from stillhouse import corpus
from stillhouse.cli.options import WORKSPACE
from stillhouse.filter.client import AsyncFilterClient
from stillhouse.local.configure import configure
from stillhouse.local.prepare import Workspace
from stillhouse.local.stack import running
from stillhouse.recipe import Recipe


@click.command()
@click.argument("recipe", type=click.Path(path_type=Path))
@click.option(
    "--documents", type=click.IntRange(min=2), default=64, show_default=True,
    help="Documents to make positives and negatives of.",
)  # fmt: skip
@click.option(
    "--false-accept", type=float, default=0.05, show_default=True,
    help="Share of the negatives that may pass a threshold.",
)  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The page to write.")
@WORKSPACE
def calibrate(
    recipe: Path, documents: int, false_accept: float, out: Path, workspace: Path
) -> None:
    """Measure what the scores of RECIPE's layers tell apart, and choose thresholds.

    Positives and negatives are made of the training documents; a page with the AUC of
    each score and a YAML snippet for the recipe is written.
    """
    from services.experiments import calibrate as work  # noqa: PLC0415  (services are optional)
    from services.experiments.calibrate_page import markdown  # noqa: PLC0415
    from services.trainer.cascades import cascade_of  # noqa: PLC0415
    from services.trainer.files import write_text  # noqa: PLC0415

    console = Console()
    plan = Recipe.read(recipe)
    rate = work.check_rate(false_accept)
    config = configure(plan, Workspace(workspace.resolve()), console.print)
    training, _ = corpus.split(corpus.load(plan.corpus), plan.corpus.held_out, plan.seed)
    step = max(1, len(training) // documents)
    probes = work.make_probes(training[::step][:documents], plan.seed)
    cascade = cascade_of(plan)

    async def judge(target: str) -> list[work.Probe]:
        async with AsyncFilterClient(target, timeout=3600) as client:
            return await work.judged(client, cascade, probes)

    console.print(f"judging {len(probes)} texts", highlight=False)
    with running(config) as stack:
        found = asyncio.run(judge(stack.targets["filter"]))
    chosen = work.cuts(cascade, found, rate)
    page = markdown(plan, config.teacher.digest, found, chosen, work.snippet(cascade, chosen))
    write_text(out, page)
    console.print(f"written: {out}", highlight=False, soft_wrap=True)
