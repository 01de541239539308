from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.trainer.students import checkpoints
from services.trainer.students.progress import Pace, stalled


def test_pace_counts_the_tokens_that_were_read() -> None:
    pace = Pace([10, 20, 30, 40, 50], batch=2, step=0, now=100.0)
    assert pace.at(0, 100.0) == (0.0, 0.0)
    assert pace.at(1, 103.0) == (10.0, 12.0)  # 30 tokens in 3 s, 120 left
    assert pace.at(3, 115.0) == (10.0, 0.0)


def test_a_training_that_goes_on_has_the_pace_of_what_it_did_itself() -> None:
    pace = Pace([10, 20, 30, 40, 50], batch=2, step=1, now=0.0)
    assert pace.at(1, 5.0) == (0.0, 0.0)
    assert pace.at(2, 7.0) == (10.0, 5.0)  # 70 tokens in 7 s, 50 left


@pytest.mark.parametrize(
    ("losses", "patience", "expected"),
    [
        ([], 1, False),
        ([3.0], 1, False),
        ([3.0, 2.9], 1, False),
        ([3.0, 3.0], 1, True),
        ([3.0, 3.1, 2.9], 2, False),
        ([3.0, 3.1], 2, False),
        ([3.0, 3.1, 3.0], 2, True),
        ([3.0, 2.0, 2.5, 2.4, 2.3], 3, True),
    ],
)
def test_stalled_at_the_edge(losses: list[float], patience: int, expected: bool) -> None:
    assert stalled(losses, patience) is expected


@given(st.lists(st.floats(0, 9), max_size=12), st.integers(1, 5))
def test_stalled_is_what_a_counter_says(losses: list[float], patience: int) -> None:
    best, waited = float("inf"), 0
    for loss in losses:
        waited = 0 if loss < best else waited + 1
        best = min(best, loss)
    assert stalled(losses, patience) == (waited >= patience)


def test_only_whole_checkpoints_of_the_same_training_count(tmp_path: Path) -> None:
    for step in (2, 4, 10, 12):
        folder = tmp_path / f"checkpoint-{step}"
        folder.mkdir()
        (folder / "weights").write_text("w")
        if step != 12:  # killed while it was written
            checkpoints.mark(folder, "other" if step == 4 else "this")
    found = checkpoints.latest(tmp_path, "this")
    assert found is not None
    assert checkpoints.step(found) == 10
    assert sorted(one.name for one in tmp_path.iterdir()) == ["checkpoint-10", "checkpoint-2"]


def test_no_folder_no_checkpoint(tmp_path: Path) -> None:
    assert checkpoints.latest(tmp_path / "none", "this") is None
