from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from services.trainer.files import RunFolder
from services.trainer.monitor import Monitor, Saved, load_saved
from stillhouse.errors import FailedPrecondition, NotFound
from stillhouse.filter.types import LayerStats
from stillhouse.trainer.types import Diversity, GenerationProgress, Run, RunState, Stage

RUN = Run(
    "run",
    RunState.SUCCEEDED,
    Stage.DONE,
    2,
    2,
    message="ü",
    progress=(
        GenerationProgress(1, 9, 3, 4, 20, (LayerStats("brevity", 9, 3),), 1.5, expert=True),
        GenerationProgress(2, 9, 3, 4, 20, diversity=Diversity(9, 0.5, 0.25, 0.75, 0.125)),
    ),
    loss=0.25,
    seconds=60.5,
    stop_reason="no more",
)


def monitor(tmp_path: Path, run: Run = RUN) -> Monitor:
    return Monitor(RunFolder(tmp_path), Saved(run, attempt=3))


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    monitor(tmp_path).save()
    assert load_saved(RunFolder(tmp_path)) == Saved(RUN, 3)


def test_a_run_that_was_active_when_its_process_died_counts_as_cancelled(tmp_path: Path) -> None:
    monitor(tmp_path, replace(RUN, state=RunState.RUNNING)).save()
    loaded = load_saved(RunFolder(tmp_path))
    assert (loaded.run.state, loaded.attempt) == (RunState.CANCELLED, 3)
    assert loaded.run.message == "its process was interrupted"
    assert loaded.run.progress == RUN.progress


def test_a_folder_without_a_state_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"state\.json"):
        load_saved(RunFolder(tmp_path))


@pytest.mark.parametrize(
    "changes",
    [
        {"state": "asleep"},
        {"stage": None},
        {"colour": "red"},
        {"progress": None},
        {"progress": [1]},
        {"progress": [{"generation": 1}]},
        {"progress": [{"generation": 1, "layers": ["x"]}]},
        {"progress": [{"generation": 1, "layers": [], "diversity": {"samples": 1}}]},
    ],
)
def test_a_state_of_another_shape_is_damaged(tmp_path: Path, changes: dict[str, Any]) -> None:
    one = monitor(tmp_path)
    one.save()
    content = json.loads(one.folder.state.read_text())
    content["run"] |= changes
    one.folder.state.write_text(json.dumps(content))
    with pytest.raises(FailedPrecondition, match=r"state\.json is damaged"):
        load_saved(one.folder)


def test_progress_of_a_generation_replaces_its_own_and_keeps_the_order(tmp_path: Path) -> None:
    one = monitor(tmp_path)
    one.progressed(GenerationProgress(3, 1, 1, 1, 1))
    one.progressed(GenerationProgress(2, 1, 1, 1, 1))
    one.progressed(GenerationProgress(1, 10, 4, 4, 20))
    assert [(p.generation, p.judged) for p in one.run.progress] == [(1, 10), (2, 1), (3, 1)]


async def test_watchers_see_the_state_now_each_change_and_the_end(tmp_path: Path) -> None:
    one = monitor(tmp_path, replace(RUN, state=RunState.RUNNING))
    watches = [one.watch(), one.watch()]
    assert [(await anext(watch)).state for watch in watches] == [RunState.RUNNING] * 2
    waiting = [asyncio.ensure_future(anext(watch)) for watch in watches]
    await asyncio.sleep(0)
    one.update(stage_done=1)
    assert [(await run).stage_done for run in waiting] == [1, 1]
    one.update(state=RunState.FAILED, message="no")
    rest = [[run async for run in watch] for watch in watches]
    assert [[run.message for run in runs] for runs in rest] == [["no"], ["no"]]


async def test_a_slow_watcher_misses_states_but_never_the_last(tmp_path: Path) -> None:
    one = monitor(tmp_path, replace(RUN, state=RunState.RUNNING))
    watch = one.watch()
    await anext(watch)
    for done in range(5):
        one.update(stage_done=done)
    one.update(state=RunState.CANCELLED)
    seen = [(run.stage_done, run.state) async for run in watch]
    assert seen == [(4, RunState.CANCELLED)]


async def test_a_watch_of_an_ended_run_is_one_state(tmp_path: Path) -> None:
    assert [run async for run in monitor(tmp_path).watch()] == [RUN]
