"""`stillhouse evaluate` as a user types it, on a small run with a tiny model."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml

from services.checkpoints.load import load
from stillhouse.generator.types import ModelPointer
from tests.support.completions_wire import CompletionsWireServer
from tests.support.completions_wire import serving as completions
from tests.support.corpus import write_corpus
from tests.support.judge_server import JudgeServer
from tests.support.judge_server import serving as judging
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
    return folder


@pytest.fixture(scope="module")
def run(home: Path) -> Path:
    """The folder of a finished run."""
    told(home, "run", "recipe.yaml")
    (folder,) = (home / "runs").iterdir()
    return folder


@pytest.fixture(scope="module")
def server(home: Path) -> Iterator[CompletionsWireServer]:
    """The other model behind a server of completions."""
    with completions(CompletionsWireServer(load(ModelPointer(str(home / "other"))))) as one:
        yield one


@pytest.fixture(scope="module")
def judge() -> Iterator[JudgeServer]:
    with judging(JudgeServer(lambda a, b: "A" if len(a) > len(b) else "B")) as one:
        yield one


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
    before = (run / "evaluation" / "teacher.parquet").stat().st_mtime_ns
    said = told(home, "evaluate", run.name, "--system", "rival=./other")
    assert names(run) == {*_SYSTEMS, "rival"}
    assert (run / "evaluation" / "teacher.parquet").stat().st_mtime_ns == before
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
    report_of_others = (folder / "report.md").read_text()
    assert "on 3 held-out documents" in report_of_others
    assert "trained" not in report_of_others
    assert (run / "report.md").read_bytes() == report


def test_a_recipe_is_evaluated_with_rivals_an_independent_critic_and_a_judge(
    home: Path, server: CompletionsWireServer, judge: JudgeServer
) -> None:
    recipe = yaml.safe_load((home / "recipe.yaml").read_text())
    recipe["evaluation"] |= {
        "critic": "./other",
        "judge": {"url": judge.url},
        "words": 5,
        "models": [
            {"name": "here", "model": "./other"},
            {"name": "served", "model": f"openai:{server.url}", "template": "<|start|>{document}"},
        ],
    }
    (home / "rivals.yaml").write_text(yaml.safe_dump(recipe))
    told(home, "evaluate", "rivals.yaml", "--out", "out")
    folder = home / "out"
    assert names(folder) == {"teacher", "here", "served", *_SYSTEMS[2:]}
    tables = {
        name: pq.read_table(folder / "evaluation" / f"{name}.parquet").to_pylist()
        for name in ("teacher", "here", "served", "lead words")
    }
    for rows in tables.values():
        written = [row for row in rows if row["text"]]
        assert all(math.isfinite(row["independent_pmi"]) for row in written)
        assert all(math.isfinite(row["independent_saliency"]) for row in written)
        assert any(row["independent_pmi"] != row["pmi"] for row in written)
    assert {row["words"] for row in tables["lead words"]} == {5}
    assert len(server.requests) > 4
    assert server.requests[-1]["prompt"].startswith("<|start|>")
    report = (folder / "report.md").read_text()
    assert "PMI, other critic" in report
    assert "| teacher against served |" in report
    assert len(judge.asked) > 0
    assert all((b, a) in judge.asked for a, b in judge.asked)


def test_a_run_with_a_further_model_ends_with_its_row(home: Path) -> None:
    recipe = yaml.safe_load((home / "recipe.yaml").read_text())
    recipe["evaluation"]["models"] = [{"name": "here", "model": "./other"}]
    (home / "further.yaml").write_text(yaml.safe_dump(recipe | {"name": "further"}))
    told(home, "run", "further.yaml")
    (folder,) = (home / "runs").glob("further-*")
    assert names(folder) == {*_SYSTEMS, "here"}
    assert "| student gen 1 − here |" in (folder / "report.md").read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere"], "error: nowhere is neither a recipe nor a run in runs"),
        (["recipe.yaml"], "error: --out: is needed for a recipe"),
        (["recipe.yaml", "--out", "x", "--system", "copy=./other"], "recipe.evaluation.models.0"),
        (["recipe.yaml", "--out", "x", "--system", "other"], "error: --system: 'other' is not"),
        (
            ["recipe.yaml", "--out", "x", "--system", "a=./nothing"],
            "error: recipe.evaluation.models.0.model: no model at",
        ),
        (["same-critic.yaml", "--out", "x"], "critic: is the model that filters"),
        (
            ["recipe.yaml", "--out", "x", "--documents", "none.jsonl"],
            "no file or folder none.jsonl",
        ),
    ],
)
def test_what_cannot_be_evaluated_is_told_in_one_line(
    home: Path, arguments: list[str], said: str
) -> None:
    recipe = yaml.safe_load((home / "recipe.yaml").read_text())
    recipe["evaluation"]["critic"] = "./teacher"
    (home / "same-critic.yaml").write_text(yaml.safe_dump(recipe))
    output = told(home, "evaluate", *arguments, code=2)
    assert said in output
    assert "Traceback" not in output
    assert not (home / "x").exists()
