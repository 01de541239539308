"""What the trainer tells of the active run; at most one is."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

from stillhouse.trainer.types import Run, RunState, Stage

ACTIVE = Gauge("stillhouse_run_active", "1 while a run is active.")
STAGE = Gauge("stillhouse_run_stage", "1 for what the active run is doing.", ["stage"])
GENERATION = Gauge("stillhouse_run_generation", "The active run's generation, from 1.")
ACCEPTED = Gauge(
    "stillhouse_buffer_accepted", "Samples that the training buffer of the generation holds."
)
TARGET = Gauge("stillhouse_buffer_target", "Samples that end the generation's collecting.")
JUDGED = Gauge("stillhouse_buffer_judged", "Candidates of the generation that were judged.")
BUDGET = Gauge("stillhouse_buffer_budget", "Candidates after which the generation ends.")
ENDED = Counter("stillhouse_runs_ended_total", "Runs that have ended, by how.", ["state"])
for _state in RunState:
    if _state is not RunState.RUNNING:
        ENDED.labels(_state.value)


def show(run: Run) -> None:
    """Tell the state of a run."""
    ACTIVE.set(run.state is RunState.RUNNING)
    for stage in Stage:
        STAGE.labels(stage.value).set(run.state is RunState.RUNNING and run.stage is stage)
    GENERATION.set(run.generation)
    for progress in run.progress:
        if progress.generation == run.generation:
            ACCEPTED.set(progress.accepted)
            TARGET.set(progress.target)
            JUDGED.set(progress.judged)
            BUDGET.set(progress.budget)


def ended(state: RunState) -> None:
    """Count a run that has ended."""
    ENDED.labels(state.value).inc()
