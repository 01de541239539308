from __future__ import annotations

import errno
import os
from pathlib import Path

import pyarrow as pa
import pytest

from services.trainer.files import (
    RunFolder,
    read_json,
    read_table,
    replacing_folder,
    write_table,
    write_text,
)
from stillhouse.errors import FailedPrecondition, NotFound

TABLE = pa.table({"a": [1, 2]})


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_what_is_written_is_read_and_nothing_else_is_there(tmp_path: Path) -> None:
    write_text(tmp_path / "deep" / "a.json", '{"a": "ü"}')
    write_table(tmp_path / "deep" / "b.parquet", TABLE)
    assert read_json(tmp_path / "deep" / "a.json") == {"a": "ü"}
    assert read_table(tmp_path / "deep" / "b.parquet") == TABLE
    assert names(tmp_path) == ["deep", "deep/a.json", "deep/b.parquet"]


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    write_text(tmp_path / "a", "old")
    with pytest.raises(UnicodeEncodeError):
        write_text(tmp_path / "a", "new \ud800")
    assert (tmp_path / "a").read_text() == "old"
    assert names(tmp_path) == ["a"]


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    for read in (read_json, read_table):
        with pytest.raises(NotFound, match=r"no file .*none"):
            read(tmp_path / "none")


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff", b"PAR1"])
def test_a_damaged_file_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bad").write_bytes(content)
    for read in (read_json, read_table):
        with pytest.raises(FailedPrecondition, match="bad is damaged"):
            read(tmp_path / "bad")


def test_half_a_table_is_named(tmp_path: Path) -> None:
    path = tmp_path / "bad.parquet"
    write_table(path, TABLE)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(FailedPrecondition, match="is damaged"):
        read_table(path)


def test_a_folder_takes_its_place_when_it_is_whole(tmp_path: Path) -> None:
    place = tmp_path / "deep" / "run"
    for content in ("one", "two"):
        with replacing_folder(place) as part:
            assert part.parent == place.parent
            (part / content).touch()
            assert not (place / content).exists()
    assert names(tmp_path) == ["deep", "deep/run", "deep/run/two"]
    assert place.stat().st_mode & 0o777 == 0o755


def fill_and_fail(place: Path) -> None:
    with replacing_folder(place) as part:
        (part / "half").touch()
        raise RuntimeError("no more")


def test_a_folder_that_is_not_finished_is_gone(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "old").touch()
    with pytest.raises(RuntimeError, match="no more"):
        fill_and_fail(tmp_path / "run")
    assert names(tmp_path) == ["run", "run/old"]


def test_parts_are_dropped_and_the_merged_stay(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    write_table(folder.part(1, 0), TABLE)
    write_table(folder.verdicts(1), TABLE)
    folder.drop_parts()
    folder.drop_parts()
    assert names(tmp_path) == ["verdicts", "verdicts/gen-1.parquet"]


def test_parts_sort_in_the_order_of_their_batches() -> None:
    folder = RunFolder(Path("run"))
    paths = [folder.part(1, batch) for batch in (9, 10, 100)]
    assert paths == sorted(paths)
    assert folder.id == "run"


def test_a_file_system_without_locks_is_worked_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def flock(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("services.trainer.files.fcntl.flock", flock)
    with RunFolder(tmp_path).alone():
        assert "No locks available" in caplog.text


def test_one_process_works_on_a_run_and_clears_up_first(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    with folder.alone():
        other = folder.alone()
        with pytest.raises(FailedPrecondition, match="another process works on"):
            other.__enter__()
    left = tmp_path / ".student-gen1-x1y2"
    left.mkdir()
    with folder.alone():
        assert not left.exists()
