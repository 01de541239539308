"""`stillhouse run` as a user types it, with a tiny model."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pyarrow.parquet as pq
import pytest
import yaml
from transformers import AutoModelForCausalLM

from tests.support.corpus import write_corpus
from tests.support.tiny_model import make_tiny_model

pytestmark = pytest.mark.timeout(200)

_COMMAND = [str(Path(sys.executable).parent / "stillhouse"), "run"]
_LAYERS = [
    {"name": "brevity", "thresholds": {"ratio": 5.0, "min_words": 2, "max_words": 1000}},
    {"name": "diversity", "thresholds": {"keep": 8}},
]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a recipe, its documents and its teacher."""
    folder = tmp_path_factory.mktemp("home")
    make_tiny_model(folder / "teacher")
    write_corpus(folder / "corpus.jsonl", 40)
    recipe: dict[str, Any] = {
        "name": "tiny",
        "generations": 1,
        "corpus": {"source": "corpus.jsonl", "min_sentences": 1, "held_out": 4},
        "teacher": {"model": "./teacher"},
        "generation": {
            "samples": 8,
            "documents_per_batch": 1,
            "max_new_tokens": 40,
            "target": 200,
            "budget": 240,
        },
        "filter": {"layers": _LAYERS, "near_duplicate": 1.0},
        "evaluation": {"resamples": 50},
    }
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    return folder


def processes_of(home: Path) -> list[str]:
    """Command lines of processes that know this home folder."""
    found = []
    for process in psutil.process_iter(["cmdline", "environ"]):
        told = " ".join(
            [*(process.info["cmdline"] or []), *(process.info["environ"] or {}).values()]
        )
        if str(home) in told and process.pid != os.getpid():
            found.append(told)
    return found


def stopped(home: Path, number: signal.Signals, *arguments: str) -> str:
    """Stop a run by a signal while it collects; its id, as the command tells it."""
    with subprocess.Popen(
        [*_COMMAND, *arguments],
        cwd=home,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as running:
        assert running.stdout is not None
        seen = ""
        for line in running.stdout:
            seen += line
            if "collecting" in line:
                running.send_signal(number)
                break
        seen += running.stdout.read()
    assert running.returncode == 130, seen
    hint = re.search(r"stillhouse run --resume (\S+)", seen)
    assert hint, seen
    assert "Traceback" not in seen
    assert processes_of(home) == []
    return hint.group(1)


def test_a_stopped_run_leaves_nothing_behind_and_resume_finishes_it(home: Path) -> None:
    run = stopped(home, signal.SIGINT, "recipe.yaml", "--generators", "2")
    assert stopped(home, signal.SIGTERM, "--resume", run) == run

    resumed = subprocess.run(
        [*_COMMAND, "--resume", run],
        cwd=home,
        capture_output=True,
        text=True,
        check=False,
    )
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    assert processes_of(home) == []
    folder = home / "runs" / run
    rows = pq.read_table(folder / "verdicts" / "gen-1.parquet").to_pylist()
    assert len({row["id"] for row in rows}) == len(rows) > 0
    assert AutoModelForCausalLM.from_pretrained(folder / "student-gen1").num_parameters() > 0
    assert "| teacher | " in (folder / "report.md").read_text()
    assert "## Generation 1" in (folder / "report.md").read_text()
    assert "Generation 1" in resumed.stdout


def test_verdicts_can_be_read_and_judged_again(home: Path) -> None:
    """On the run that the test before has left."""
    (folder,) = [one for one in (home / "runs").iterdir() if (one / "report.md").exists()]

    def told(*arguments: str) -> str:
        command = [_COMMAND[0], *arguments]
        done = subprocess.run(command, cwd=home, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    rows = pq.read_table(folder / "verdicts" / "gen-1.parquet").to_pylist()
    shown = told("funnel", folder.name)
    assert f"{len(rows)} candidates" in shown
    assert all(dict(row["seconds"])["generate"] > 0 for row in rows)
    rejected = told("inspect", folder.name, "--rejected", "--layer", "brevity", "--sample", "2")
    assert 0 < rejected.count("brevity.too_") <= 2
    again = told("rethreshold", folder.name, "--set", "diversity.keep=1", "--out", "tighter")
    written = pq.read_table(home / "tighter" / "gen-1.parquet")
    assert f"accepted {len(written)}, before" in again
    per_source = written["source_id"].to_pylist()
    assert len(per_source) < sum(row["accepted"] for row in rows)
    wrong = subprocess.run(
        [_COMMAND[0], "funnel", "nowhere"], cwd=home, capture_output=True, text=True, check=False
    )
    assert wrong.returncode == 2
    assert wrong.stderr.startswith("error: no run at")
