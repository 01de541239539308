"""Figures of data sets by hand, and the command."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from services.experiments import quality_page
from stillhouse.cli import main
from stillhouse.errors import InvalidArgument
from stillhouse.text import quality


def test_a_set_by_hand() -> None:
    found = quality.measure(
        [("the cat sat on the mat today", "the cat sat"), ("dogs bark at night", "cats bark")]
    )
    assert found.compression == pytest.approx((3 / 7 + 2 / 4) / 2)
    assert found.coverage == (1 + 1 / 2) / 2
    assert found.density == (9 / 3 + 1 / 2) / 2
    assert (found.novel_1, found.novel_2) == (0.25, 0.5)
    assert found.distinct_1 == 1


def write(path: Path, rows: list[dict[str, str]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def rows(count: int) -> list[dict[str, str]]:
    return [
        {"document": f"Word {n} and much else is here.", "summary": f"Word {n} is short."}
        for n in range(count)
    ]


def test_the_command_compares_sets_of_one_size(tmp_path: Path) -> None:
    small = write(tmp_path / "small.jsonl", rows(4))
    pq.write_table(pa.Table.from_pylist(rows(9)), tmp_path / "large.parquet")
    args = ["quality", str(small), str(tmp_path / "large.parquet"), "--seed", "3"]
    args += ["--out", str(tmp_path / "t.md"), "--plot", str(tmp_path / "p.png")]
    result = CliRunner().invoke(main, args)
    assert result.exit_code == 0, result.output
    assert "| 4, 4 | 9, 4 |" in result.output
    assert (tmp_path / "t.md").read_text() == result.output
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")
    assert CliRunner().invoke(main, args).output == result.output


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'{"document": "\xff", "summary": "b"}\n', "line 1: not JSON in UTF-8"),
        (b'{"document": "a"}\n', "line 1: 'summary' must be text"),
        (b"[]\n", "must be an object"),
        (b"", "has 0 pairs"),
    ],
)
def test_a_set_that_cannot_be_read_is_named(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "set.jsonl"
    path.write_bytes(content)
    result = CliRunner().invoke(main, ["quality", str(path)])
    assert result.exit_code == 2
    assert said in result.output


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x")
    with pytest.raises(InvalidArgument, match="neither"):
        quality_page.read_pairs(tmp_path / "a.csv")
