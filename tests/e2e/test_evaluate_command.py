"""`stillhouse evaluate` as a user types it, on a small run with a tiny model."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml

from tests.support.corpus import write_corpus
from tests.support.tiny_model import make_tiny_model

pytestmark = pytest.mark.timeout(240)

_COMMAND = str(Path(sys.executable).parent / "stillhouse")
_LAYERS = [{"name": "brevity", "thresholds": {"ratio": 5.0, "min_words": 2, "max_words": 1000}}]
_SYSTEMS = ["teacher", "student gen 1", "lead sentence", "lead words", "random sentence", "copy"]


def told(home: Path, *arguments: str, code: int = 0) -> str:
    done = subprocess.run(
        [_COMMAND, *arguments], cwd=home, capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a recipe, its documents and its models."""
    folder = tmp_path_factory.mktemp("home")
    make_tiny_model(folder / "teacher")
    make_tiny_model(folder / "other", seed=1)
    write_corpus(folder / "corpus.jsonl", 30)
    recipe: dict[str, Any] = {
        "name": "tiny",
        "generations": 1,
        "corpus": {"source": "corpus.jsonl", "min_sentences": 1, "held_out": 4},
        "teacher": {"model": "./teacher"},
        "generation": {"samples": 8, "max_new_tokens": 20, "target": 8, "budget": 96},
        "filter": {"layers": _LAYERS, "near_duplicate": 1.0},
        "evaluation": {"resamples": 50},
    }
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    rival = {"name": "rival", "model": "./other"}
    recipe["evaluation"] |= {"critic": "./other", "models": [rival]}
    (folder / "rivals.yaml").write_text(yaml.safe_dump(recipe))
    return folder


@pytest.fixture(scope="module")
def run(home: Path) -> Path:
    """The folder of a finished run."""
    told(home, "run", "recipe.yaml")
    (folder,) = (home / "runs").iterdir()
    return folder


def names(folder: Path) -> set[str]:
    table = pq.read_table(folder / "evaluation" / "comparison.parquet")
    return set(table["system"].to_pylist())


def test_a_run_compares_its_systems_with_plots(run: Path) -> None:
    assert names(run) == set(_SYSTEMS)
    report = (run / "report.md").read_text()
    assert "| student gen 1 − teacher |" in report
    for plot in ("funnel", "metrics", "lengths"):
        assert f"(plots/{plot}.png)" in report
        assert (run / "plots" / f"{plot}.png").read_bytes().startswith(b"\x89PNG")


def test_a_run_is_evaluated_again_with_a_further_model(home: Path, run: Path) -> None:
    before = (run / "evaluation" / "teacher.parquet").read_bytes()
    said = told(home, "evaluate", run.name, "--system", "rival=./other")
    assert names(run) == {*_SYSTEMS, "rival"}
    assert (run / "evaluation" / "teacher.parquet").read_bytes() == before
    assert "| student gen 1 − rival |" in (run / "report.md").read_text()
    assert "## Generation 1" in (run / "report.md").read_text()
    assert "results in" in said


def test_a_run_is_evaluated_on_other_documents(home: Path, run: Path) -> None:
    rows = [json.loads(line) for line in (home / "corpus.jsonl").read_text().splitlines()[:3]]
    other = [{"document": row["text"] + " More.", "summary": row["summary"]} for row in rows]
    (home / "other.jsonl").write_text("".join(json.dumps(row) + "\n" for row in other))
    report = (run / "report.md").read_bytes()
    told(home, "evaluate", run.name, "--documents", "other.jsonl")
    folder = run / "evaluations" / "other"
    assert names(folder) == set(_SYSTEMS)
    found = pq.read_table(folder / "evaluation" / "student gen 1.parquet")
    assert found["reference"].to_pylist() == [row["summary"] for row in rows]
    assert "on 3 held-out documents" in (folder / "report.md").read_text()
    assert (run / "report.md").read_bytes() == report
