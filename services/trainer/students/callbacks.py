"""What happens between the steps of a training: reporting, marking, stopping."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from services.trainer.students import checkpoints
from services.trainer.students.progress import Pace, Progress, stalled

Report = Callable[[Progress], None]

HELD_OUT = "eval_loss"


class Reporting(TrainerCallback):
    """Passes progress on after each step and each held-out loss."""

    def __init__(self, report: Report, pace: Callable[[int], Pace]) -> None:
        self._report = report
        self._make_pace = pace
        self._pace = pace(0)

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Time begins to count at the step that the training goes on from."""
        self._pace = self._make_pace(state.global_step)

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        """Report an optimiser step or a held-out loss."""
        if not logs or not ("loss" in logs or HELD_OUT in logs):
            return
        rate, left = self._pace.at(state.global_step, time.monotonic())
        self._report(
            Progress(
                state.global_step,
                state.max_steps,
                loss=_last(state, "loss"),
                held_out_loss=_last(state, HELD_OUT),
                tokens_per_second=rate,
                eta_seconds=left,
            )
        )


class Checkpoints(TrainerCallback):
    """Marks each checkpoint once it is whole; makes none at the end unless the best is wanted."""

    def __init__(self, training: str, *, watched: bool) -> None:
        self._training = training
        self._watched = watched

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """The student itself is saved after the last step."""
        if state.global_step >= state.max_steps and not self._watched:
            control.should_save = False

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Mark what was just written."""
        if state.is_world_process_zero:
            folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
            checkpoints.mark(folder, self._training)


class Stopping(TrainerCallback):
    """Stops when asked, leaving a checkpoint, or when the held-out loss no longer falls."""

    def __init__(self, cancelled: Callable[[], bool], patience: int, *, saves: bool) -> None:
        self._cancelled = cancelled
        self._patience = patience
        self._saves = saves

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Stop at a step's end."""
        if self._cancelled():
            control.should_training_stop = True
            control.should_save = control.should_save or self._saves

    def on_evaluate(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Stop after `patience` held-out losses without a lower one."""
        losses = [row[HELD_OUT] for row in state.log_history if HELD_OUT in row]
        if self._patience and stalled(losses, self._patience):
            control.should_training_stop = True


def _last(state: Any, name: str) -> float:
    return next((float(row[name]) for row in reversed(state.log_history) if name in row), 0.0)
