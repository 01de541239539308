"""`stillhouse experiment ladder` as a user types it, with a tiny model."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.corpus import write_corpus
from tests.support.tiny_model import make_tiny_model

pytestmark = pytest.mark.timeout(200)


def test_the_ladder_is_written_and_not_climbed_twice(tmp_path: Path) -> None:
    make_tiny_model(tmp_path / "teacher")
    write_corpus(tmp_path / "corpus.jsonl", 20)
    layers = [{"name": "brevity", "thresholds": {"ratio": 5, "min_words": 2, "max_words": 999}}]
    experiment: dict[str, Any] = {
        "base": {
            "corpus": {"source": "corpus.jsonl", "min_sentences": 1, "held_out": 4},
            "teacher": {"model": "./teacher"},
            "generation": {"samples": 4, "max_new_tokens": 20},
            "filter": {"layers": layers},
        },
        "arms": {
            "plain": None,
            "constrained": {"constraints": {"include": [["heap"]], "guidance": 5}},
            "beam": {
                "constraints": {"include": [["heap"]]},
                "generation": {"beam": 4, "samples": 2},
            },
        },
    }
    (tmp_path / "arms.yaml").write_text(yaml.safe_dump(experiment))
    command = [str(Path(sys.executable).parent / "stillhouse"), "experiment", "ladder"]
    command += ["arms.yaml", "--documents", "5", "--out", "ladder.md"]
    first = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert first.returncode == 0, first.stderr
    page = (tmp_path / "ladder.md").read_text()
    assert "| plain | 20 | - |" in page
    assert "| constrained | 20 | 100" in page
    assert "| beam | 10 | 100" in page
    assert "constrained: 5 of 5 documents" in first.stdout
    again = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    assert "documents" not in again.stdout.split("written")[0]
    assert (tmp_path / "ladder.md").read_text() == page
