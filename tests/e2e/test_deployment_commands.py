"""What prepares a deployment and has its services do a run, as a user types it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from stillhouse.generator.types import ModelPointer
from stillhouse.local.stack import StackConfig, running
from tests.support.corpus import write_corpus
from tests.support.tiny_model import make_tiny_model

pytestmark = pytest.mark.timeout(200)

_COMMAND = str(Path(sys.executable).parent / "stillhouse")


def told(home: Path, *arguments: str, code: int = 0) -> str:
    done = subprocess.run(
        [_COMMAND, *arguments], cwd=home, capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    make_tiny_model(folder / "teacher")
    write_corpus(folder / "corpus.jsonl", 30)
    recipe: dict[str, Any] = {
        "name": "tiny",
        "generations": 1,
        "corpus": {"source": str(folder / "corpus.jsonl"), "min_sentences": 1, "held_out": 2},
        "teacher": {"model": str(folder / "teacher")},
        "generation": {"samples": 4, "max_new_tokens": 20, "target": 8, "budget": 40},
        "filter": {
            "layers": [
                {"name": "brevity", "thresholds": {"ratio": 5.0, "min_words": 1, "max_words": 999}}
            ],
            "near_duplicate": 1.0,
        },
        "evaluation": {"resamples": 20},
    }
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    return folder


def prepared(home: Path) -> dict[str, tuple[Path, str]]:
    """Folder and digest of teacher and index, as the command prints them."""
    lines = told(home, "prepare", "recipe.yaml", "--workspace", "space").splitlines()
    rows = [line.split() for line in lines if line.startswith(("teacher ", "index "))]
    return {kind: (Path(folder), digest) for kind, folder, digest in rows}


def test_prepare_makes_teacher_and_index_once_and_a_run_uses_them(home: Path) -> None:
    first = prepared(home)
    assert {kind: path for kind, (path, _) in first.items()} == {
        "teacher": home / "space" / "models" / "teacher",
        "index": home / "space" / "indexes" / "corpus",
    }
    folder, digest = first["index"]
    manifest = (folder / "manifest.json").stat()
    assert prepared(home) == first
    assert (folder / "manifest.json").stat().st_mtime_ns == manifest.st_mtime_ns
    fetched = told(home, "index", "fetch", str(folder), "--digest", digest, "--out", "fetched")
    assert digest in fetched

    teacher = ModelPointer(str(first["teacher"][0]), first["teacher"][1])
    config = StackConfig(
        teacher=teacher,
        index_folder=folder,
        runs_folder=home / "runs",
        models_folder=home / "space" / "models",
        logs_folder=home / "logs",
        threads=1,
    )
    with running(config) as stack:
        target = stack.targets["trainer"]
        output = told(home, "run", "recipe.yaml", "--trainer", target)
        refused = told(home, "run", "--resume", "none", "--trainer", target, code=2)
    (run,) = (home / "runs").iterdir()
    assert f"run {run.name}" in output
    assert "Generation 1" in output
    assert "error: no run 'none'" in refused


def test_prepare_makes_the_model_that_students_start_from(home: Path) -> None:
    """The trainer can reach no hub, so it has to be there."""
    start = make_tiny_model(home / "start", seed=1)
    recipe = yaml.safe_load((home / "recipe.yaml").read_text())
    (home / "named.yaml").write_text(yaml.safe_dump(recipe | {"student": {"start": start.uri}}))
    output = told(home, "prepare", "named.yaml", "--workspace", "named")
    assert f"student {start.uri} {start.digest}" in output.splitlines()
    (home / "none.yaml").write_text(yaml.safe_dump(recipe | {"student": {"start": "./none"}}))
    output = told(home, "prepare", "none.yaml", "--workspace", "named", code=2)
    assert output.startswith("error: recipe.student.start: no model at ")


def test_prepare_takes_nobodys_place(home: Path, tmp_path: Path) -> None:
    (tmp_path / "models" / "teacher").mkdir(parents=True)
    arguments = ("prepare", "recipe.yaml", "--workspace", str(tmp_path))
    assert "is no link of an earlier preparation" in told(home, *arguments, code=2)


def test_a_trainer_that_is_away_is_one_line(home: Path) -> None:
    output = told(home, "run", "recipe.yaml", "--trainer", "127.0.0.1:1", code=2)
    assert output.startswith("error: ")
    assert "Traceback" not in output
