"""`stillhouse run`: a whole run on this machine."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.console import Console
from rich.markdown import Markdown

from stillhouse.cli.evaluate import complete, job_of_run
from stillhouse.errors import NotFound, StillhouseError, Unavailable
from stillhouse.local.interrupt import first_interrupt
from stillhouse.local.panel import display
from stillhouse.local.prepare import Workspace, prepare_index, prepare_teacher
from stillhouse.local.rivals import prepare_rivals
from stillhouse.local.stack import Stack, StackConfig, running
from stillhouse.recipe import Recipe
from stillhouse.trainer.client import TrainerClient
from stillhouse.trainer.types import Run, RunState


@click.command()
@click.argument("recipe", type=click.Path(path_type=Path), required=False)
@click.option("--resume", metavar="RUN", help="Continue this run; its own recipe is used.")
@click.option(
    "--generators", type=click.IntRange(min=1), default=1, show_default=True,
    help="Generator processes on the queue.",
)  # fmt: skip
@click.option("--seed", type=click.IntRange(min=0), help="Take this seed, not the recipe's.")
@click.option(
    "--runs", type=click.Path(path_type=Path), default=Path("runs"), show_default=True,
    help="Folder of the runs.",
)  # fmt: skip
@click.option(
    "--workspace", type=click.Path(path_type=Path), default=Path(".stillhouse"),
    show_default=True, help="Folder for converted models, indexes and logs.",
)  # fmt: skip
@click.option(
    "--ack-wait", type=click.FloatRange(min=1), default=30.0, show_default=True,
    help="Seconds after which the work of a killed process is given to another.",
)  # fmt: skip
def run(
    recipe: Path | None,
    resume: str | None,
    generators: int,
    seed: int | None,
    runs: Path,
    workspace: Path,
    ack_wait: float,
) -> None:
    """Distil by RECIPE: starts the broker and the services, runs, reports, stops them."""
    plan = _recipe(recipe, resume, seed, runs)
    console = Console()
    space = Workspace(workspace.resolve())
    console.print("preparing the teacher", highlight=False)
    teacher = prepare_teacher(plan, space)
    console.print("reading the documents", highlight=False)
    rivals = prepare_rivals(plan, teacher, space)
    index = prepare_index(plan, teacher, space, lambda text: console.print(text, highlight=False))
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f")
    config = StackConfig(
        teacher=teacher,
        index_folder=index,
        runs_folder=runs.resolve(),
        models_folder=space.models,
        logs_folder=space.logs / stamp,
        generators=generators,
        threads=plan.teacher.threads,
        ack_wait=ack_wait,
        independent=rivals.critic,
        servers=rivals.servers,
    )
    console.print(f"starting the services, logs in {config.logs_folder}", highlight=False)
    with running(config) as stack:
        ended = _conduct(stack, plan, resume, console)
        if ended.state is RunState.SUCCEEDED and plan.evaluation.asks_others:
            complete(job_of_run(Path(ended.folder), plan), teacher, rivals, stack.targets, console)
    _conclude(ended, console)


def _recipe(recipe: Path | None, resume: str | None, seed: int | None, runs: Path) -> Recipe:
    if (recipe is None) == (resume is None):
        raise click.UsageError("give either RECIPE or --resume RUN")
    if resume is None:
        assert recipe is not None
        plan = Recipe.read(recipe)
        return plan if seed is None else plan.model_copy(update={"seed": seed})
    if seed is not None:
        raise click.UsageError("--seed goes with RECIPE: a resumed run keeps its seed")
    path = runs / resume / "recipe.yaml"
    if not path.is_file():
        raise NotFound(f"no run {resume} in {runs}: there is no {path}")
    return Recipe.read(path)


def _conduct(stack: Stack, plan: Recipe, resume: str | None, console: Console) -> Run:
    with TrainerClient(stack.targets["trainer"], timeout=600) as trainer:
        state = trainer.resume_run(resume) if resume else trainer.create_run(plan.to_yaml())
        console.print(f"run {state.id}", highlight=False)

        def stop() -> None:
            console.print("stopping", highlight=False)
            trainer.cancel_run(state.id)

        with first_interrupt(stop):
            return _watch(stack, trainer, state, console)


def _watch(stack: Stack, trainer: TrainerClient, state: Run, console: Console) -> Run:
    """Show the run until it ends, reviving what dies; a trainer that died resumes it."""
    with display(console) as panel:
        while True:
            try:
                for latest in trainer.watch_run(state.id):
                    state = latest
                    stack.revive()
                    panel.show(state)
                return state
            except Unavailable:
                time.sleep(1)
                stack.revive()
                _resume_again(trainer, state.id)


def _resume_again(trainer: TrainerClient, run_id: str) -> None:
    try:
        trainer.resume_run(run_id)
    except Unavailable:
        return


def _conclude(ended: Run, console: Console) -> None:
    folder = Path(ended.folder)
    if ended.state is RunState.SUCCEEDED:
        report = (folder / "report.md").read_text(encoding="utf-8")
        console.print(Markdown(report))
        console.print(f"results in {folder}", highlight=False, soft_wrap=True)
        return
    hint = f"continue with: stillhouse run --resume {ended.id}"
    if ended.state is RunState.CANCELLED:
        console.print(f"stopped; what is done is kept. {hint}", highlight=False, soft_wrap=True)
        raise SystemExit(130)
    raise StillhouseError(f"run {ended.id} failed: {ended.message}")
