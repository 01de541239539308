"""The live panel of a run: text made of its state, drawn in place on a terminal."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from stillhouse.trainer.types import GenerationProgress, Run, Stage

_WINDOW = 60.0  # seconds over which candidates/s is averaged
_LINE_EVERY = 15.0  # seconds between lines where there is no terminal


class Speedometer:
    """Candidates per second over the last minute."""

    def __init__(self) -> None:
        self._points: deque[tuple[float, int]] = deque()

    def update(self, now: float, judged: int) -> float:
        """The rate after `judged` candidates at time `now` (seconds)."""
        if self._points and judged < self._points[-1][1]:
            self._points.clear()
        self._points.append((now, judged))
        while len(self._points) > 2 and now - self._points[0][0] > _WINDOW:
            self._points.popleft()
        (first, before), (last, after) = self._points[0], self._points[-1]
        return (after - before) / (last - first) if last > first else 0.0


def eta_seconds(run: Run, rate: float) -> float | None:
    """Seconds until the stage is over, or None where nothing tells.

    While collecting: until the target at the present pass rate or the end of the
    budget, whichever comes first.
    """
    progress = current(run)
    if run.stage is Stage.COLLECTING and progress and rate > 0:
        left = progress.budget - progress.judged
        if progress.accepted:
            missing = max(0, progress.target - progress.accepted)
            left = min(left, missing * progress.judged // progress.accepted)
        return left / rate
    return None


def current(run: Run) -> GenerationProgress | None:
    """Progress of the generation that the run is in."""
    return next((one for one in run.progress if one.generation == run.generation), None)


def render(run: Run, rate: float) -> RenderableType:
    """The panel for one state of a run."""
    parts: list[RenderableType] = [_headline(run)]
    progress = current(run)
    if progress:
        parts += [_counts(run, progress, rate), _bar(progress.accepted, progress.target)]
        parts.append(_funnel(progress))
    parts += [Text(one) for one in _looking_back(run)]
    if run.stage in (Stage.TRAINING, Stage.EVALUATING) and run.stage_total:
        training = _training(run) if run.stage is Stage.TRAINING else ""
        parts.append(Text(f"{run.stage.value} {run.stage_done} of {run.stage_total}{training}"))
        parts.append(_bar(run.stage_done, run.stage_total))
    return Group(*parts)


def line(run: Run, rate: float) -> str:
    """The same in one line, for logs."""
    progress = current(run)
    text = f"{_clock(run.seconds)} generation {run.generation}/{run.generations} {run.stage.value}"
    if progress:
        text += f", {progress.accepted} accepted of {progress.judged} judged"
    if run.stage is Stage.COLLECTING:
        text += f", {rate:.1f} candidates/s"
    elif run.stage_total:
        text += f", {run.stage_done} of {run.stage_total}"
        text += _training(run) if run.stage is Stage.TRAINING else ""
    if run.stop_reason:
        text += f"; the last one: {run.stop_reason}"
    return text


class Display(Protocol):
    """What shows the states of a run."""

    def show(self, run: Run) -> None:
        """Show one state."""


class _Terminal:
    def __init__(self, live: Live) -> None:
        self._live = live
        self._speed = Speedometer()

    def show(self, run: Run) -> None:
        self._live.update(render(run, _rate(self._speed, run)))


class _Lines:
    def __init__(self, console: Console) -> None:
        self._console = console
        self._speed = Speedometer()
        self._last = (-_LINE_EVERY, Stage.PREPARING, 0)

    def show(self, run: Run) -> None:
        rate = _rate(self._speed, run)
        now = time.monotonic()
        when, *where = self._last
        if now - when >= _LINE_EVERY or where != [run.stage, run.generation]:
            self._last = (now, run.stage, run.generation)
            self._console.print(line(run, rate), highlight=False, soft_wrap=True)


@contextmanager
def display(console: Console) -> Iterator[Display]:
    """A panel that redraws itself on a terminal; a line now and then elsewhere."""
    if not console.is_terminal:
        yield _Lines(console)
        return
    with Live(console=console, refresh_per_second=4) as live:
        yield _Terminal(live)


def _rate(speed: Speedometer, run: Run) -> float:
    progress = current(run)
    return speed.update(time.monotonic(), progress.judged if progress else 0)


def _headline(run: Run) -> Text:
    return Text.assemble(
        (run.id, "bold"),
        f"   generation {run.generation} of {run.generations}   {run.stage.value}"
        f"   {_clock(run.seconds)}",
    )


def _counts(run: Run, progress: GenerationProgress, rate: float) -> Text:
    rejected = progress.judged - progress.accepted
    eta = eta_seconds(run, rate)
    text = f"accepted {progress.accepted} of {progress.target}   rejected {rejected}"
    if run.stage is Stage.COLLECTING:
        text += f"   {rate:.1f} candidates/s   queues: {run.prompts_pending} prompt batches, "
        text += f"{run.candidates_pending} candidate batches"
        text += f"   ETA {_clock(eta)}" if eta is not None else ""
    return Text(text)


def _looking_back(run: Run) -> list[str]:
    """The generations beside each other, once there are two, and why the run ends early."""
    lines = []
    if len(run.progress) > 1:
        rates = " → ".join(f"{100 * one.pass_rate:.1f} %" for one in run.progress)
        lines.append(f"pass rate by generation: {rates}")
    progress = current(run)
    if progress and progress.diversity:
        found = progress.diversity
        lines.append(
            f"diversity (of generation 1): distinct-2 {found.distinct_2:.3f} "
            f"({found.first_distinct_2:.3f}), MSTTR {found.msttr:.3f} ({found.first_msttr:.3f})"
        )
    if run.stop_reason:
        lines.append(f"the run ends early: {run.stop_reason}")
    return lines


def _training(run: Run) -> str:
    text = f", loss {run.loss:.3f}"
    if run.held_out_loss:
        text += f", held-out loss {run.held_out_loss:.3f}"
    if run.tokens_per_second:
        text += f", {run.tokens_per_second:.0f} tokens/s, ETA {_clock(run.eta_seconds)}"
    return text


def _bar(done: int, total: int) -> Table:
    grid = Table.grid()  # a bare bar does not end its line
    grid.add_row(ProgressBar(total=max(1, total), completed=min(done, total), width=60))
    return grid


def _funnel(progress: GenerationProgress) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("layer")
    for name in ("seen", "passed", "pass rate"):
        table.add_column(name, justify="right")
    for layer in progress.layers:
        rate = f"{100 * layer.passed / layer.seen:.1f} %" if layer.seen else "-"
        table.add_row(layer.name, str(layer.seen), str(layer.passed), rate)
    return table


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}:{rest:02d}"
