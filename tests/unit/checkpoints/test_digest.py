from __future__ import annotations

from pathlib import Path

import pytest

from services.checkpoints.digest import digest


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    (tmp_path / "model" / "model.safetensors").write_bytes(bytes(range(256)) * 8192)
    return tmp_path / "model"


def test_the_same_files_anywhere_have_the_same_digest(folder: Path) -> None:
    before = digest(folder)
    assert len(before) == 64
    assert digest(folder.rename(folder.with_name("elsewhere"))) == before


def test_notes_and_folders_beside_the_model_do_not_count(folder: Path) -> None:
    before = digest(folder)
    (folder / "README.md").write_text("a note")
    (folder / "checkpoints").mkdir()
    assert digest(folder) == before


def test_every_byte_and_name_counts(folder: Path) -> None:
    seen = {digest(folder)}
    with (folder / "model.safetensors").open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\0")
    seen.add(digest(folder))
    (folder / "config.json").rename(folder / "other.json")
    seen.add(digest(folder))
    (folder / "merges.txt").write_text("")
    seen.add(digest(folder))
    assert len(seen) == 4


def test_bytes_that_move_between_files_count(tmp_path: Path) -> None:
    for name, parts in (("one", ("ab", "c")), ("two", ("a", "bc"))):
        (tmp_path / name).mkdir()
        for file, text in zip(("a.txt", "b.txt"), parts, strict=True):
            (tmp_path / name / file).write_text(text)
    assert digest(tmp_path / "one") != digest(tmp_path / "two")
