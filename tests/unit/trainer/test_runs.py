"""Ending a run, however often and by whoever it is asked for."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from services.trainer import runs
from services.trainer.conductor import Backends
from services.trainer.files import RunFolder, write_text
from services.trainer.monitor import Monitor, Saved
from stillhouse.errors import FailedPrecondition
from stillhouse.generator.types import ModelPointer
from stillhouse.recipe import Recipe
from stillhouse.trainer.types import Run, RunState, Stage
from tests.support.tiny_model import make_tiny_model


class Broker:
    """Purges when it is let."""

    def __init__(self) -> None:
        self.asked, self.let = asyncio.Event(), asyncio.Event()

    async def purge_stream(self, *_: object, **__: object) -> None:
        self.asked.set()
        await self.let.wait()

    async def delete_consumer(self, *_: object) -> None:
        """Nothing to delete."""


class Endless:
    """Conducts until it is cancelled."""

    def __init__(self, *_: object) -> None:
        """Whatever it is of."""

    async def run(self) -> None:
        await asyncio.Event().wait()


@pytest.fixture
async def broker() -> Broker:
    return Broker()


@pytest.fixture
async def active(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broker: Broker
) -> tuple[runs.Runs, Monitor]:
    """Runs of which `r` is active."""
    monkeypatch.setattr(runs, "Conductor", Endless)
    found = runs.Runs(tmp_path, tmp_path, cast(Backends, SimpleNamespace(js=broker)))
    folder = RunFolder(tmp_path / "r")
    folder.path.mkdir()
    run = Run("r", RunState.RUNNING, Stage.COLLECTING, 1, 1, folder=str(folder.path))
    monitor = Monitor(folder, Saved(run, 0))
    found._start(monitor, cast(Recipe, None), ModelPointer("t", "d"), None)
    await asyncio.sleep(0)
    return found, monitor


async def test_two_cancellations_are_one(active: tuple[runs.Runs, Monitor], broker: Broker) -> None:
    found, monitor = active
    first = asyncio.create_task(found.cancel("r"))
    await broker.asked.wait()
    second = asyncio.create_task(found.cancel("r"))
    await asyncio.sleep(0)
    assert monitor.run.state is RunState.RUNNING
    broker.let.set()
    assert [one.state for one in await asyncio.gather(first, second)] == [RunState.CANCELLED] * 2
    assert found.monitor("r") is None


async def test_who_asks_may_go_away(active: tuple[runs.Runs, Monitor], broker: Broker) -> None:
    found, monitor = active
    asking = asyncio.create_task(found.cancel("r"))
    await broker.asked.wait()
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    assert monitor.run.state is RunState.RUNNING
    broker.let.set()
    assert (await found.cancel("r")).state is RunState.CANCELLED


async def test_a_task_cancelled_while_it_ends_leaves_no_active_run(
    active: tuple[runs.Runs, Monitor], broker: Broker
) -> None:
    found, _ = active
    task: asyncio.Task[Any] = found._active["r"][1]
    task.cancel()
    await broker.asked.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert found.monitor("r") is None
    assert found.get("r").state is RunState.CANCELLED


def test_a_run_is_not_resumed_by_another_teacher(tmp_path: Path) -> None:
    teacher = make_tiny_model(tmp_path / "teacher")
    folder = RunFolder(tmp_path / "r")
    recipe = Recipe.parse(f"name: r\nteacher: {{model: {teacher.uri}}}")
    write_text(folder.recipe, recipe.to_yaml())
    found = runs.Runs(tmp_path, tmp_path / "models", cast(Backends, None))
    write_text(folder.models, json.dumps({"teacher.model": teacher.digest}))
    assert found._read_again(folder)[1].digest == teacher.digest
    other = "ab" * 32
    write_text(folder.models, json.dumps({"teacher.model": other}))
    with pytest.raises(FailedPrecondition, match=rf"recipe\.teacher\.model .*{other[:16]} back"):
        found._read_again(folder)
