"""The runs of a trainer: creating, resuming, cancelling, listing."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import random
import re
import secrets
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import nats.errors
from nats.js.errors import APIError

from services.checkpoints.materialise import materialise
from services.runtime import logs
from services.topology import (
    CANDIDATES,
    PROMPTS,
    VERDICTS,
    candidates_subject,
    prompts_subject,
    verdicts_subject,
)
from services.trainer import metrics, tables
from services.trainer.cascades import cascade_of
from services.trainer.conductor import Backends, Conductor
from services.trainer.documents import documents_of
from services.trainer.files import (
    RunFolder,
    read_json,
    replacing_folder,
    write_table,
    write_text,
)
from services.trainer.monitor import Monitor, Saved, load_saved
from services.trainer.ordering import by_cost, probes
from services.trainer.prompts import derived_seed, make_plan
from stillhouse import corpus, tracing
from stillhouse.errors import (
    DeadlineExceeded,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    ResourceExhausted,
    StillhouseError,
    Unavailable,
)
from stillhouse.generator.types import ModelPointer
from stillhouse.recipe import Recipe
from stillhouse.trainer.types import Run, RunState, Stage

log = logging.getLogger(__name__)

_RUN_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")


class Runs:
    """All runs in a folder; at most one is active."""

    def __init__(self, folder: Path, models: Path, backends: Backends) -> None:
        self._folder = folder
        self._models = models
        self._backends = backends
        self._active: dict[str, tuple[Monitor, asyncio.Task[None]]] = {}
        self._creating = asyncio.Lock()

    async def create(self, recipe_yaml: str, run_id: str) -> Run:
        """Check everything, make the folder, start."""
        recipe = Recipe.parse(recipe_yaml)
        run_id = run_id or new_run_id(recipe)
        if not _RUN_ID.fullmatch(run_id):
            raise InvalidArgument("run_id", "lower-case letters, digits and hyphens, at most 64")
        if (self._folder / run_id).exists():
            raise InvalidArgument("run_id", f"{run_id} exists; choose another, or resume it")
        async with self._creating:
            self._refuse_second()
            await self._check_cascade(recipe)
            teacher = await asyncio.to_thread(materialise, recipe.teacher.model, self._models)
            start = await asyncio.to_thread(self._start_of_students, recipe)
            # Generators may come later; then the run asks them before it does anything else.
            with contextlib.suppress(Unavailable, DeadlineExceeded):
                await self._backends.check(recipe, teacher)
            recipe = await self._backends.with_index(recipe, teacher)
            if recipe.filter.order == "cost":
                recipe = await self._ordered(recipe)
            run = await asyncio.to_thread(self._prepare, recipe, run_id, _digests(teacher, start))
            folder = RunFolder(self._folder / run_id)
            self._start(Monitor(folder, Saved(run, attempt=0)), recipe, teacher, start)
        return run

    async def resume(self, run_id: str) -> Run:
        """Go on with a run; one that is active or has succeeded is answered as it is."""
        if run_id in self._active:
            return self._active[run_id][0].run
        folder = self._existing(run_id)
        async with self._creating:
            if run_id in self._active:  # another call was first
                return self._active[run_id][0].run
            saved = load_saved(folder)
            if saved.run.state is RunState.SUCCEEDED:
                return saved.run
            self._refuse_second()
            recipe, teacher, start = await asyncio.to_thread(self._read_again, folder)
            monitor = Monitor(folder, Saved(saved.run, saved.attempt + 1))
            monitor.update(state=RunState.RUNNING, message="", folder=str(folder.path.resolve()))
            self._start(monitor, recipe, teacher, start)
        return monitor.run

    def get(self, run_id: str) -> Run:
        """A run's state."""
        if run_id in self._active:
            return self._active[run_id][0].run
        return load_saved(self._existing(run_id)).run

    def monitor(self, run_id: str) -> Monitor | None:
        """What to watch, if the run is active."""
        active = self._active.get(run_id)
        return active[0] if active else None

    def list(self) -> list[Run]:
        """All runs, newest first; folders that hold none are passed over."""
        runs = []
        for path in self._folder.iterdir() if self._folder.is_dir() else []:
            if (path / "state.json").is_file():
                with contextlib.suppress(StillhouseError):
                    runs.append((path.stat().st_ctime, self.get(path.name)))
        return [run for _, run in sorted(runs, key=lambda one: (-one[0], one[1].id))]

    def folder(self, run_id: str) -> RunFolder:
        """A run's folder; NotFound if there is none."""
        return self._existing(run_id)

    async def cancel(self, run_id: str) -> Run:
        """Stop a run and take its work back from the queues."""
        if run_id in self._active:
            _, task = self._active[run_id]
            # Once: a second cancellation, or that of who asks, would cut short what ends the run.
            if not task.cancelling():
                task.cancel()
            await asyncio.wait([task])
        return self.get(run_id)

    async def close(self) -> None:
        """Stop whatever is active, as on SIGTERM."""
        for run_id in list(self._active):
            await self.cancel(run_id)

    def _refuse_second(self) -> None:
        if self._active:
            name = next(iter(self._active))
            raise ResourceExhausted(f"run {name} is active; wait for it or cancel it", 30.0)

    def _existing(self, run_id: str) -> RunFolder:
        folder = RunFolder(self._folder / run_id)
        if not _RUN_ID.fullmatch(run_id) or not folder.state.is_file():
            raise NotFound(f"no run {run_id!r} in {self._folder}")
        return folder

    async def _check_cascade(self, recipe: Recipe) -> None:
        """The filter owns its layers, so it is asked whether it knows them."""
        try:
            await self._backends.filter.evaluate(cascade_of(recipe), [], [])
        except InvalidArgument as error:
            field = error.field.replace("cascade", "recipe.filter", 1)
            raise InvalidArgument(field, error.reason) from None

    async def _ordered(self, recipe: Recipe) -> Recipe:
        """The recipe with its layers in the order of their cost, measured now."""
        documents = await asyncio.to_thread(corpus.load, recipe.corpus)
        everything = replace(cascade_of(recipe), score_all=True)
        measured = await self._backends.filter.evaluate(everything, *probes(documents))
        return by_cost(recipe, measured.layers)

    def _start_of_students(self, recipe: Recipe) -> ModelPointer | None:
        """The model that `student.start` names, if it names one."""
        if recipe.student.named is None:
            return None
        try:
            return materialise(recipe.student.named, self._models)
        except InvalidArgument as error:
            raise InvalidArgument("recipe.student.start", error.reason) from None

    def _read_again(self, folder: RunFolder) -> tuple[Recipe, ModelPointer, ModelPointer | None]:
        """Recipe, teacher and the students' start of a run that was created once."""
        try:
            recipe = Recipe.parse(folder.recipe.read_text(encoding="utf-8"))
            teacher = materialise(recipe.teacher.model, self._models)
            start = self._start_of_students(recipe)
        except (OSError, UnicodeDecodeError, InvalidArgument) as error:
            raise FailedPrecondition(f"{folder.recipe} no longer holds: {error}") from None
        before = read_json(folder.models) if folder.models.exists() else {}
        for key, now in _digests(teacher, start).items():
            if before.get(key, now) != now:
                raise FailedPrecondition(
                    f"recipe.{key} is another model than the run began with: put the one of "
                    f"digest {before[key][:16]} back, or create a new run"
                )
        return recipe, teacher, start

    def _prepare(self, recipe: Recipe, run_id: str, models: Mapping[str, str]) -> Run:
        training, held_out = documents_of(recipe)
        # A corpus is often sorted by origin; a generation shall see something of everything.
        random.Random(derived_seed(recipe.seed, "order")).shuffle(training)
        make_plan(recipe, len(training), 0)
        path = self._folder / run_id
        run = Run(
            id=run_id,
            state=RunState.RUNNING,
            stage=Stage.PREPARING,
            generation=1,
            generations=recipe.generations,
            folder=str(path.resolve()),
        )
        with replacing_folder(path) as part:
            folder = RunFolder(part)
            write_text(folder.recipe, recipe.to_yaml())
            write_text(folder.models, json.dumps(models))
            write_table(folder.documents, tables.documents_table(training, held_out))
            Monitor(folder, Saved(run, attempt=0)).save()
        return run

    def _start(
        self,
        monitor: Monitor,
        recipe: Recipe,
        teacher: ModelPointer,
        start: ModelPointer | None,
    ) -> None:
        alone = contextlib.ExitStack()
        alone.enter_context(monitor.folder.alone())
        conductor = Conductor(monitor, recipe, teacher, self._backends, start)
        task = asyncio.create_task(self._conduct(conductor, monitor, alone))
        self._active[monitor.folder.id] = (monitor, task)

    async def _conduct(
        self, conductor: Conductor, monitor: Monitor, alone: contextlib.ExitStack
    ) -> None:
        """Run it in one trace: its caller's, or one of its own."""
        run = monitor.folder.id
        with alone, logs.bound(run=run), tracing.span("run", run=run):
            await self._to_the_end(conductor, monitor)

    async def _to_the_end(self, conductor: Conductor, monitor: Monitor) -> None:
        try:
            await conductor.run()
            ending = (RunState.SUCCEEDED, _results(monitor))
        except asyncio.CancelledError:
            ending = (RunState.CANCELLED, "stopped; it can be resumed")
        except StillhouseError as error:
            ending = (RunState.FAILED, str(error))
        except Exception as error:
            log.exception("run failed")
            ending = (RunState.FAILED, f"{type(error).__name__}: {error}")
        state, message = ending
        try:
            await self._clear_queues(monitor.folder.id, verdicts=state is RunState.SUCCEEDED)
        finally:  # also where it is cancelled in its last moment
            del self._active[monitor.folder.id]
            monitor.update(state=state, message=message)
            monitor.save()
            metrics.ended(state)
            log.info("run ended", extra={"state": state.value})

    async def _clear_queues(self, run_id: str, *, verdicts: bool) -> None:
        """Take a run's work back; its verdicts too, where nobody will resume it."""
        js = self._backends.js
        with contextlib.suppress(nats.errors.Error, APIError, TimeoutError):
            await js.purge_stream(PROMPTS, subject=prompts_subject(run_id))
            await js.purge_stream(CANDIDATES, subject=candidates_subject(run_id))
            await js.delete_consumer(VERDICTS, f"trainer-{run_id}")
            if verdicts:
                await js.purge_stream(VERDICTS, subject=verdicts_subject(run_id))


def _digests(teacher: ModelPointer, start: ModelPointer | None) -> dict[str, str]:
    """What models.json holds, by the keys of the recipe that name the models."""
    named = {"teacher.model": teacher, "student.start": start}
    return {key: one.digest for key, one in named.items() if one is not None}


def _results(monitor: Monitor) -> str:
    where = f"report at {monitor.folder.report}"
    reason = monitor.run.stop_reason
    return f"ended early, {reason}; {where}" if reason else where


def new_run_id(recipe: Recipe) -> str:
    """An id that sorts by time: name, UTC time, four random hex digits."""
    time = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    return f"{recipe.name}-{time}-{secrets.token_hex(2)}"
