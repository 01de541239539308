"""A run's state as others see it: kept in memory, on disk, and told to watchers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass, replace
from typing import Any

from services.trainer import metrics
from services.trainer.files import RunFolder, read_json, write_text
from stillhouse.errors import FailedPrecondition
from stillhouse.filter.types import LayerStats
from stillhouse.trainer.types import Diversity, GenerationProgress, Run, RunState, Stage


@dataclass(frozen=True, slots=True)
class Saved:
    """What state.json holds: the run, and how often it was resumed."""

    run: Run
    attempt: int


class Monitor:
    """Holds the current state; every change wakes the watchers."""

    def __init__(self, folder: RunFolder, saved: Saved) -> None:
        self.folder = folder
        self._saved = saved
        self._changed = asyncio.Event()

    @property
    def run(self) -> Run:
        """The state now."""
        return self._saved.run

    @property
    def attempt(self) -> int:
        """How often the run was resumed."""
        return self._saved.attempt

    def update(self, **changes: Any) -> None:
        """Change fields of the run."""
        self._saved = Saved(replace(self._saved.run, **changes), self._saved.attempt)
        metrics.show(self._saved.run)
        self._changed.set()
        self._changed = asyncio.Event()

    def progress(self, generation: int) -> GenerationProgress:
        """A generation's progress; KeyError before there is any."""
        return {one.generation: one for one in self.run.progress}[generation]

    def progressed(self, progress: GenerationProgress) -> None:
        """Put in a generation's progress."""
        others = tuple(one for one in self.run.progress if one.generation != progress.generation)
        everything = sorted((*others, progress), key=lambda one: one.generation)
        self.update(progress=tuple(everything))

    def save(self) -> None:
        """Write state.json."""
        content = json.dumps(asdict(self._saved), indent=1)
        write_text(self.folder.state, content)

    async def watch(self) -> AsyncIterator[Run]:
        """The state now and after each change, until the run has ended."""
        while True:
            changed, run = self._changed, self.run
            yield run
            if run.ended:
                return
            await changed.wait()


def load_saved(folder: RunFolder) -> Saved:
    """What state.json holds; a run that was active when its process died counts as cancelled."""
    content = read_json(folder.state)
    try:
        values = content["run"]
        progress = tuple(_progress(one) for one in values.pop("progress"))
        state, stage = RunState(values.pop("state")), Stage(values.pop("stage"))
        run = Run(**values, state=state, stage=stage, progress=progress)
        saved = Saved(run, int(content["attempt"]))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise FailedPrecondition(f"{folder.state} is damaged: {error!r}") from None
    if saved.run.state is RunState.RUNNING:
        run = replace(saved.run, state=RunState.CANCELLED, message="its process was interrupted")
        saved = Saved(run, saved.attempt)
    return saved


def _progress(values: dict[str, Any]) -> GenerationProgress:
    layers = tuple(LayerStats(**layer) for layer in values.pop("layers"))
    diversity = values.pop("diversity", None)
    return GenerationProgress(
        **values, layers=layers, diversity=Diversity(**diversity) if diversity else None
    )
