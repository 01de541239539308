from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.trainer import postings
from services.trainer.postings import Keys, Postings

KEYS = st.lists(st.integers(0, 12) | st.integers(2**64 - 3, 2**64 - 1), min_size=1, max_size=4)
STEPS = st.lists(KEYS | st.sampled_from(["flush", "reopen", "kill"]), max_size=60)


def keys(values: list[int]) -> Keys:
    return np.array(values, dtype=np.uint64)


@given(STEPS, st.integers(1, 5))
@settings(max_examples=100, deadline=None)
def test_finds_what_a_dictionary_finds(
    tmp_path_factory: pytest.TempPathFactory, steps: list[list[int] | str], chunk: int
) -> None:
    """`kill` loses what is not flushed, and leaves segments that nobody knows of."""
    folder = tmp_path_factory.mktemp("postings")
    table = Postings(folder)
    saved: tuple[str, ...] = ()
    rows: list[set[int]] = []
    kept = 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(postings, "_CHUNK", chunk)
        for step in steps:
            if isinstance(step, list):
                table.add(keys(step), len(rows))
                rows.append(set(step))
            elif step == "kill":
                table.flush()
                table, rows = Postings(folder, saved), rows[:kept]
            else:
                saved, kept = table.flush(), len(rows)
                table.tidy()
                assert {path.name for path in folder.iterdir()} == set(saved)
                if step == "reopen":
                    table = Postings(folder, saved)
        for wanted in ([0], [3, 4, 2**64 - 1], list(range(13))):
            twin = {row for row, own in enumerate(rows) if own & set(wanted)}
            assert table.find(keys(wanted)) == twin


def test_a_merge_whose_longer_side_ends_in_one_key_keeps_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postings, "_CHUNK", 1)
    table = Postings(tmp_path)
    for row, own in enumerate(([0, 0], [1])):
        table.add(keys(own), row)
        table.flush()
    assert table.find(keys([0])) == {0}
    assert table.find(keys([1])) == {1}


def test_segments_stay_few(tmp_path: Path) -> None:
    table = Postings(tmp_path)
    for row in range(200):
        table.add(keys([row * 2**40]), row)
        names = table.flush()
        table.tidy()
    assert len(names) <= 8
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) == 200 * 12
