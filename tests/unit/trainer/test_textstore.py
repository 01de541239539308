from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.trainer.textstore import TextStore


@given(st.lists(st.text(max_size=6) | st.sampled_from([1, 2])))
@settings(max_examples=100, deadline=None)
def test_gives_back_every_text(
    tmp_path_factory: pytest.TempPathFactory, steps: list[str | int]
) -> None:
    """1 flushes; 2 is a flush that nobody took note of before the store was opened again."""
    folder = tmp_path_factory.mktemp("texts")
    store, texts, rows = TextStore(folder), list[str](), 0
    for step in steps:
        if isinstance(step, str):
            store.append(step)
            texts.append(step)
        elif step == 1:
            rows = store.flush()
        else:
            store.flush()
            store, texts = TextStore(folder, rows), texts[:rows]
        assert len(store) == len(texts)
    assert [store[row] for row in range(len(texts))] == texts


def test_missing_files_are_told(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"texts\.ends"):
        TextStore(tmp_path, 3)
