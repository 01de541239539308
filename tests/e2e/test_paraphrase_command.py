"""`stillhouse run` of a paraphrase recipe, with a tiny teacher and a tiny NLI model.

Both are untrained: what is tested is the way of the data, and what is refused.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml

from tests.support.corpus import write_corpus
from tests.support.tiny_model import make_tiny_model
from tests.support.tiny_nli import export_onnx, make_tiny_nli

pytestmark = pytest.mark.timeout(200)

_COMMAND = [str(Path(sys.executable).parent / "stillhouse"), "run", "recipe.yaml"]
_ASKED = {"task": "paraphrase"}
_LAYERS = [
    {"name": "length", "thresholds": {"least": 0, "most": 20}},
    {"name": "numbers", "thresholds": {"new": 50, "dropped": 50}},
    {"name": "dissimilarity"},
    {
        "name": "faithfulness",
        "thresholds": {"pmi": -9, "logprob": -1e9, "weakest": -1e9, "gain": -1e9},
        "options": _ASKED,
    },
    {"name": "saliency", "thresholds": {"tau": -1e9}, "options": _ASKED},
    {
        "name": "entailment",
        "thresholds": {"forward": 0, "backward": 0},
        "options": {"ways": "both"},
    },
    {"name": "diversity", "thresholds": {"keep": 8}, "options": {"edge": "entailment"}},
]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    make_tiny_model(folder / "teacher")
    export_onnx(make_tiny_nli(folder / "nli", steps=0, length=512))
    write_corpus(folder / "corpus.jsonl", 40)
    recipe: dict[str, Any] = {
        "name": "tiny",
        "task": "paraphrase",
        "generations": 1,
        "corpus": {
            "source": "corpus.jsonl",
            "unit": "sentence",
            "min_sentences": 1,
            "held_out": 4,
        },
        "teacher": {"model": "./teacher"},
        "generation": {
            "samples": 4,
            "documents_per_batch": 2,
            "max_new_tokens": 30,
            "target": 12,
            "budget": 48,
        },
        "filter": {"layers": _LAYERS, "near_duplicate": 1.0},
        "evaluation": {"resamples": 50},
    }
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    return folder


def run(home: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        _COMMAND,
        cwd=home,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_filter_without_an_nli_model_refuses_the_recipe_at_the_start(home: Path) -> None:
    done = run(home)
    assert done.returncode != 0
    told = " ".join((done.stdout + done.stderr).split())
    assert "recipe.filter.layers[5]" in told
    assert "STILLHOUSE_NLI_MODEL" in told
    assert "Traceback" not in told
    assert not list((home / "runs").glob("*/report.md"))


def test_sentences_are_paraphrased_and_judged_both_ways(home: Path) -> None:
    done = run(home, STILLHOUSE_NLI_MODEL=str(home / "nli"), STILLHOUSE_NLI_RUNTIME="onnx")
    assert done.returncode == 0, done.stdout + done.stderr
    (folder,) = [one for one in (home / "runs").iterdir() if (one / "report.md").exists()]
    rows = pq.read_table(folder / "verdicts" / "gen-1.parquet").to_pylist()
    accepted = [dict(row["scores"]) for row in rows if row["accepted"]]
    assert accepted
    for scores in accepted:
        assert 0 < scores["entailment.forward"] < 1
        assert 0 < scores["entailment.backward"] < 1
        assert scores["dissimilarity.rouge_l"] <= 0.75
    documents = pq.read_table(folder / "documents.parquet").to_pylist()
    assert all("#" in row["id"] for row in documents)
    report = (folder / "report.md").read_text()
    assert "against the source" in report
    copied = next(line for line in report.splitlines() if line.startswith("| copy |"))
    assert "1.0" in copied.split("|")[2]
