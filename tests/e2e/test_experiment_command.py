"""`stillhouse experiment ladder` as a user types it, with a tiny model."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import yaml

from tests.support.corpus import write_corpus
from tests.support.tiny_model import make_tiny_model

pytestmark = pytest.mark.timeout(400)

STILLHOUSE = str(Path(sys.executable).parent / "stillhouse")


def finished_run(folder: Path, **sections: Any) -> Path:
    """The folder of a run of one generation with a tiny teacher, by a recipe with `sections`."""
    make_tiny_model(folder / "teacher")
    write_corpus(folder / "corpus.jsonl", 24)
    recipe: dict[str, Any] = {
        "name": "tiny",
        "generations": 1,
        "corpus": {"source": "corpus.jsonl", "min_sentences": 1, "held_out": 4},
        "teacher": {"model": "./teacher"},
        "evaluation": {"resamples": 50},
    }
    (folder / "tiny.yaml").write_text(yaml.safe_dump(recipe | sections))
    subprocess.run([STILLHOUSE, "run", "tiny.yaml"], cwd=folder, capture_output=True, check=True)
    (run,) = (folder / "runs").iterdir()
    return run


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
    command = [STILLHOUSE, "experiment", "ladder"]
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


def test_the_layers_of_a_run_are_left_out_in_turn(tmp_path: Path) -> None:
    run = finished_run(
        tmp_path,
        generation={"samples": 4, "max_new_tokens": 24, "target": 12, "budget": 80},
        filter={
            "layers": [
                {"name": "brevity", "thresholds": {"ratio": 5, "min_words": 3, "max_words": 999}},
                {"name": "diversity", "thresholds": {"keep": 1}},
            ]
        },
    )
    command = [STILLHOUSE, "experiment", "ablation", run.name, "--out", "page.md"]
    command += ["--student-layers", "2"]
    first = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert first.returncode == 0, first.stderr
    rows = (tmp_path / "page.md").read_text().splitlines()
    accepted = pq.read_table(run / "dataset" / "gen-1.parquet").num_rows
    names = ["whole filter", "by lot", "without brevity", "without diversity"]
    for name in [*names, "whole filter, 2 layers"]:
        assert sum(row.startswith(f"| {name} | {accepted} |") for row in rows) == 1, name
    assert sum(row.startswith("| teacher | - |") for row in rows) == 1
    students = tmp_path / ".stillhouse" / "experiments" / f"ablation-{run.name}"
    made = {one: one.stat().st_mtime_ns for one in students.glob("student-*/*")}
    again = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    assert {one: one.stat().st_mtime_ns for one in students.glob("student-*/*")} == made
    unknown = subprocess.run(
        [*command, "--layer", "grounding"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert unknown.returncode == 2
    assert "--layer: grounding is not in the recipe; it has: brevity, diversity" in unknown.stderr


def test_the_scale_of_guidance_is_chosen_on_documents_that_the_run_left(tmp_path: Path) -> None:
    run = finished_run(
        tmp_path,
        generation={"samples": 4, "documents_per_batch": 4, "max_new_tokens": 16}
        | {"target": 12, "budget": 48},
        control={"length": [3], "length_codes": ["Few.", "Many."]},
        filter={
            "layers": [
                {"name": "brevity", "thresholds": {"ratio": 9, "min_words": 1, "max_words": 999}}
            ]
        },
    )
    asked = pq.read_table(run / "evaluation" / "control.parquet")
    assert asked.group_by("system").aggregate([([], "count_all")]).to_pylist() == [
        {"system": name, "count_all": 8} for name in ("teacher", "student gen 1")
    ]
    command = [STILLHOUSE, "experiment", "control", run.name, "--out", "page.md"]
    command += ["--guidance-scale", "1.5", "--documents"]
    done = subprocess.run(
        [*command, "5"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "page.md").read_text()
    assert "So the scale is **1.5**" in page
    assert page.count("\n| student gen 1 | ") == 3
    tables = tmp_path / ".stillhouse" / "experiments" / f"control-{run.name}-5" / "evaluation"
    assert {one.name for one in tables.iterdir()} == {  # plainly, the run asked itself
        "student gen 1 unused 1.5.parquet",
        "teacher held out 1.5.parquet",
        "student gen 1 held out 1.5.parquet",
    }
    plain = asked.filter(pc.equal(asked["system"], "teacher"))["text"].to_pylist()
    guided = pq.read_table(tables / "teacher held out 1.5.parquet")["text"].to_pylist()
    assert len(guided) == len(plain)
    assert guided != plain
    few = subprocess.run(
        [*command, "50"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert few.returncode == 2
    assert "--documents: is 50; the run left" in few.stderr
