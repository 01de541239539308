"""Two processes that train one student, on this machine's CPU, by torch's own launcher."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from services.checkpoints.load import load
from services.trainer.students.launching import launched
from services.trainer.students.pairs import Pair
from services.trainer.students.progress import Progress
from services.trainer.students.training import Job, train
from stillhouse.errors import Cancelled, FailedPrecondition, InvalidArgument
from stillhouse.generator.types import ModelPointer
from stillhouse.recipe import Student
from tests.support.tiny_model import make_tiny_model


@pytest.fixture
def job(tmp_path: Path) -> Job:
    start = make_tiny_model(tmp_path / "start")
    pairs = [Pair(f"document {n}: a heap", "it is" * (1 + n % 3), f"d{n}") for n in range(8)]
    settings = Student(batch_size=4, epochs=2, learning_rate=1e-3, method="full")
    return Job(start, pairs, settings, 3, tmp_path / "student", tmp_path / "training")


def never() -> bool:
    return False


def test_two_processes_train_the_same_student(job: Job) -> None:
    seen: list[Progress] = []
    launched(job, 2, seen.append, never)
    alone = replace(job, folder=job.folder.with_name("alone"))
    expected: list[Progress] = []
    train(alone, expected.append, never)
    assert [one.step for one in seen] == [1, 2, 3, 4]
    assert [one.loss for one in seen] == pytest.approx([one.loss for one in expected], rel=1e-4)
    found, wanted = (load(ModelPointer(str(one.folder))).model.state_dict() for one in (job, alone))
    for name, weight in wanted.items():
        torch.testing.assert_close(found[name], weight, atol=1e-3, rtol=1e-3)


def test_an_error_comes_back_as_it_was(job: Job) -> None:
    with pytest.raises(InvalidArgument, match=r"recipe\.student\.layers: 9 of 2") as caught:
        launched(with_settings(job, layers=9), 2, lambda _: None, never)
    assert caught.value.field == "recipe.student.layers"
    assert not job.folder.exists()


def test_a_process_that_dies_says_why(job: Job) -> None:
    damaged = make_tiny_model(job.folder.with_name("damaged"))
    (Path(damaged.uri) / "config.json").write_text("{")
    with pytest.raises(
        FailedPrecondition, match=r"ended with 1; it said: (?s:.*)config\.json"
    ) as e:
        launched(replace(job, start=damaged), 1, lambda _: None, never)
    assert "ChildFailedError" not in str(e.value)  # the launcher's words, which hid the cause


def test_a_stop_ends_the_processes(job: Job) -> None:
    seen: list[Progress] = []
    endless = with_settings(job, epochs=10_000, save_steps=0)
    with pytest.raises(Cancelled):
        launched(endless, 2, seen.append, lambda: bool(seen))
    assert not job.folder.exists()


def with_settings(job: Job, **changes: object) -> Job:
    return replace(job, settings=Student.model_validate({**job.settings.model_dump(), **changes}))
