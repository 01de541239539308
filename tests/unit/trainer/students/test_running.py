"""Trainings beside an event loop, and what a cancellation leaves."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from services.trainer.students.pairs import Pair
from services.trainer.students.progress import Progress
from services.trainer.students.running import trained
from services.trainer.students.training import Job
from stillhouse.errors import FailedPrecondition
from stillhouse.recipe import Student
from tests.support.tiny_model import make_tiny_model

PAIRS = [Pair(f"document {n}: a heap", "it is an array", f"d{n}") for n in range(8)]


@pytest.fixture
def job(tmp_path: Path) -> Job:
    start = make_tiny_model(tmp_path / "start")
    settings = Student(epochs=2, batch_size=4, save_steps=1)
    return Job(start, PAIRS, settings, 3, tmp_path / "student", tmp_path / "training")


async def test_progress_comes_to_the_callers_thread(job: Job) -> None:
    threads: list[int] = []
    await trained(job, lambda _: threads.append(threading.get_ident()))
    await asyncio.sleep(0)
    assert threads == [threading.get_ident()] * 4
    assert (job.folder / "config.json").is_file()


async def test_errors_come_to_the_caller(job: Job) -> None:
    with pytest.raises(FailedPrecondition, match="accepted samples"):
        await trained(replace(job, settings=Student(max_tokens=3)), lambda _: None)


async def test_a_cancelled_training_has_ended_and_can_go_on(job: Job) -> None:
    begun = asyncio.Event()
    endless = replace(job, settings=job.settings.model_copy(update={"epochs": 10_000}))
    seen: list[Progress] = []

    def report(progress: Progress) -> None:
        seen.append(progress)
        begun.set()

    working = asyncio.create_task(trained(endless, report))
    await begun.wait()
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working
    left = len(seen)
    assert sum(one.name.startswith("asyncio") for one in threading.enumerate()) <= 1
    await asyncio.sleep(0.5)
    assert len(seen) - left <= 1
    assert not job.folder.exists()
    assert list(job.checkpoints.glob("checkpoint-*/whole"))
