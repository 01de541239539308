"""The example, run as a reader runs it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.support.small_index import TEXTS
from tests.support.tiny_model import make_tiny_model

EXAMPLE = Path(__file__).parents[3] / "clients" / "examples" / "infinity_grams.py"


def test_the_example_runs(tmp_path: Path) -> None:
    make_tiny_model(tmp_path / "model")
    files = tmp_path / "files"
    files.mkdir()
    for number, text in enumerate(TEXTS):
        (files / f"{number}.txt").write_text(text)
    command = [sys.executable, str(EXAMPLE), str(tmp_path / "model"), str(files)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stderr
    assert "3 documents" in done.stdout
    assert "'the still runs' occurs 1 times" in done.stdout
    assert "in 0.txt" in done.stdout
    # With nearly all weight on the files, the text goes on as one of them does.
    mixed = done.stdout.rpartition("weight 0.9: ")[2]
    assert any(f"'{text[:25]}" in mixed for text in TEXTS)
    assert "weight 0.0: 'the still runs" in done.stdout
