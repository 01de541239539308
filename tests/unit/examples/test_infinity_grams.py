"""The example, run as a reader runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.small_index import TEXTS
from tests.support.texts import write_documents
from tests.support.tiny_model import make_tiny_model

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "clients" / "examples" / "infinity_grams.py"


def run(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, str(EXAMPLE), *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'clients' / 'src'}"},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("kind", ["folder", "jsonl"])
def test_the_example_runs(tmp_path: Path, kind: str) -> None:
    make_tiny_model(tmp_path / "model")
    if kind == "folder":
        (tmp_path / "texts").mkdir()
        for number, text in enumerate(TEXTS):
            (tmp_path / "texts" / f"{number}.txt").write_text(text)
        source = "texts"
    else:
        source = write_documents(tmp_path / "texts.jsonl", TEXTS).name
    # The arguments are relative to where the reader stands, as in the example's first lines.
    printed = run(tmp_path, "./model", source, "my.index")
    assert "3 documents" in printed
    assert "'the still runs' occurs 1 times" in printed
    assert "in 0" in printed
    # With nearly all weight on the files, the text goes on as one of them does.
    mixed = printed.rpartition("weight 0.9: ")[2]
    assert any(f"'{text[:25]}" in mixed for text in TEXTS)
    assert "weight 0.0: 'the still runs" in printed
    again = run(tmp_path, "./model", source, "my.index")
    assert again == "".join(
        line for line in printed.splitlines(keepends=True) if "3 documents" not in line
    )


def test_without_arguments_it_says_how(tmp_path: Path) -> None:
    assert run(tmp_path) == "usage: infinity_grams.py MODEL TEXTS INDEX\n"
