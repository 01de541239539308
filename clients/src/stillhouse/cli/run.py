"""`stillhouse run`: a whole run, on this machine or by the services of a deployment."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import click
from rich.console import Console
from rich.markdown import Markdown

from stillhouse.cli.access import access
from stillhouse.cli.evaluate import complete, job_of_run
from stillhouse.cli.options import RUNS, WORKSPACE
from stillhouse.errors import NotFound, StillhouseError, Unavailable
from stillhouse.local.configure import configure
from stillhouse.local.interrupt import first_interrupt
from stillhouse.local.panel import display
from stillhouse.local.prepare import Workspace
from stillhouse.local.rivals import prepare_rivals
from stillhouse.local.stack import running
from stillhouse.recipe import Recipe
from stillhouse.security import Tls
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
@RUNS
@WORKSPACE
@click.option(
    "--ack-wait", type=click.FloatRange(min=1), default=30.0, show_default=True,
    help="Seconds after which the work of a killed process is given to another.",
)  # fmt: skip
@click.option(
    "--trainer", metavar="HOST:PORT", envvar="STILLHOUSE_TRAINER", show_envvar=True,
    help="Have the services of a deployment do it: its trainer, whose files RECIPE names. "
    "--runs is then where its runs can be read here.",
)  # fmt: skip
@access
def run(
    recipe: Path | None,
    resume: str | None,
    generators: int,
    seed: int | None,
    runs: Path,
    workspace: Path,
    ack_wait: float,
    trainer: str | None,
    secured: Tls | None,
    token: str,
) -> None:
    """Distil by RECIPE: starts the broker and the services, runs, reports, stops them."""
    console = Console()
    if trainer is not None:
        asked = None if resume else _recipe(recipe, resume, seed, runs)
        with TrainerClient(trainer, tls=secured, token=token) as client:
            ended = _conduct(client, asked.to_yaml() if asked else None, resume, console)
        _conclude(ended, runs, console)
        if asked and asked.evaluation.asks_others:
            console.print(f"compare it with others by: stillhouse evaluate {ended.id}")
        return
    plan = _recipe(recipe, resume, seed, runs)
    space = Workspace(workspace.resolve())
    console.print("preparing the teacher and reading the documents", highlight=False)
    config = configure(plan, space, lambda text: console.print(text, highlight=False), runs)
    rivals = prepare_rivals(plan, config.teacher, space)
    config = replace(
        config,
        generators=generators,
        ack_wait=ack_wait,
        independent=rivals.critic,
        servers=rivals.servers,
    )
    console.print(f"starting the services, logs in {config.logs_folder}", highlight=False)
    with running(config) as stack, TrainerClient(stack.targets["trainer"]) as client:
        ended = _conduct(client, plan.to_yaml(), resume, console, stack.revive)
        if ended.state is RunState.SUCCEEDED and plan.evaluation.asks_others:
            job = job_of_run(Path(ended.folder), plan)
            complete(job, config.teacher, rivals, stack.targets, console)
    _conclude(ended, runs, console)


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


def _conduct(
    trainer: TrainerClient,
    recipe: str | None,
    resume: str | None,
    console: Console,
    revive: Callable[[], None] = lambda: None,
) -> Run:
    state = trainer.resume_run(resume) if resume else trainer.create_run(recipe or "")
    console.print(f"run {state.id}", highlight=False)

    def stop() -> None:
        console.print("stopping", highlight=False)
        trainer.cancel_run(state.id)

    with first_interrupt(stop):
        return _watch(trainer, state, console, revive)


def _watch(trainer: TrainerClient, state: Run, console: Console, revive: Callable[[], None]) -> Run:
    """Show the run until it ends, reviving what dies; a trainer that died resumes it."""
    with display(console) as panel:
        while True:
            try:
                for latest in trainer.watch_run(state.id):
                    state = latest
                    revive()
                    panel.show(state)
                return state
            except Unavailable:
                time.sleep(1)
                revive()
                _resume_again(trainer, state.id)


def _resume_again(trainer: TrainerClient, run_id: str) -> None:
    try:
        trainer.resume_run(run_id)
    except Unavailable:
        return


def _conclude(ended: Run, runs: Path, console: Console) -> None:
    if ended.state is RunState.SUCCEEDED:
        report = runs / ended.id / "report.md"
        if report.is_file():
            console.print(Markdown(report.read_text(encoding="utf-8")))
        console.print(f"results in {ended.folder}", highlight=False, soft_wrap=True)
        return
    hint = f"continue with: stillhouse run --resume {ended.id}"
    if ended.state is RunState.CANCELLED:
        console.print(f"stopped; what is done is kept. {hint}", highlight=False, soft_wrap=True)
        raise SystemExit(130)
    raise StillhouseError(f"run {ended.id} failed: {ended.message}")
