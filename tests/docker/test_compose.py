"""compose.yaml as a whole: a run through it gives what the same recipe gives on this machine."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml

from stillhouse.local.stack import free_ports
from tests.support.containers import Compose, docker, readable
from tests.support.corpus import write_corpus
from tests.support.tiny_model import make_tiny_model

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]

_LENIENT = {
    "brevity": {"ratio": 5.0, "min_words": 2, "max_words": 1000},
    "novelty": {"verbatim": 1.0, "max_share": 1.0, "max_run": 1000},
    "faithfulness": {"pmi": -0.02, "logprob": -1e9, "weakest": -1e9, "gain": -1e9},
    "diversity": {"keep": 6},
}
_SERVICES = ("nats", "index", "critic", "generator", "writer", "filter", "trainer", "gateway")


def recipe(folder: str) -> str:
    """The recipe of the test, its files in `folder`."""
    layers = [{"name": name, "thresholds": values} for name, values in _LENIENT.items()]
    return yaml.safe_dump({
        "name": "tiny",
        "seed": 5,
        "generations": 1,
        "corpus": {"source": f"{folder}/corpus.jsonl", "min_sentences": 1, "held_out": 4},
        "teacher": {"model": f"{folder}/teacher", "threads": 1},
        "generation": {
            "samples": 8,
            "documents_per_batch": 1,
            "batches_in_flight": 3,
            "max_new_tokens": 40,
            "target": 100,
            "budget": 240,
        },
        "filter": {"layers": layers},
        "student": {"epochs": 1, "batch_size": 8},
        "evaluation": {"resamples": 50},
    })  # fmt: skip


@pytest.fixture(scope="module")
def home(shared: Path) -> Path:
    """Recipe, documents and teacher, as all services see them."""
    folder = shared / "input"
    make_tiny_model(folder / "teacher")
    write_corpus(folder / "corpus.jsonl", 60)
    (folder / "recipe.yaml").write_text(recipe("/input"))
    readable(folder)
    return folder


@dataclass(frozen=True)
class Deployment:
    """The running services, and where its gateway is."""

    compose: Compose
    gateway: str
    copies: Path

    def run_folder(self, run_id: str) -> Path:
        """A run's files, copied out of the trainer."""
        (trainer,) = self.compose.containers("trainer")
        docker("cp", f"{trainer}:/data/runs/{run_id}", str(self.copies))
        return self.copies / run_id


@pytest.fixture(scope="module")
def deployment(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    (port,) = free_ports(1)
    compose = Compose(
        f"stillhouse-test-{port}",
        {
            "STILLHOUSE_INPUT": str(home),
            "STILLHOUSE_RECIPE": "recipe.yaml",
            "STILLHOUSE_ACK_WAIT": "5",
            "STILLHOUSE_THREADS": "1",
            "STILLHOUSE_GATEWAY_PORT": str(port),
        },
    )
    try:
        compose("up", "--detach", "--scale", "generator=3")
        yield Deployment(compose, f"http://127.0.0.1:{port}", tmp_path_factory.mktemp("copies"))
    except BaseException:
        print(compose("logs", "--tail", "40"))
        raise
    finally:
        compose("down", "--volumes", "--timeout", "60")


@pytest.fixture(scope="module")
def local(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the same run by the processes of this machine."""
    here = tmp_path_factory.mktemp("local")
    (here / "recipe.yaml").write_text(recipe(str(home)))
    command = [str(Path(sys.executable).parent / "stillhouse"), "run", "recipe.yaml"]
    done = subprocess.run(command, cwd=here, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (folder,) = (here / "runs").iterdir()
    return folder


def judged(run: Path) -> list[dict[str, Any]]:
    """Every candidate with its verdict, in order; ids differ between runs by design."""
    columns = ["batch", "source_id", "sample_index", "text", "accepted", "reason", "model_digest"]
    rows: list[dict[str, Any]] = pq.read_table(
        run / "verdicts" / "gen-1.parquet", columns=columns
    ).to_pylist()
    return sorted(rows, key=lambda row: (row["batch"], row["source_id"], row["sample_index"]))


def dataset(run: Path) -> list[tuple[str, str]]:
    rows = pq.read_table(run / "dataset" / "gen-1.parquet").to_pylist()
    return [(row["source_id"], row["summary"]) for row in rows]


def follow(deployment: Deployment, *, kill: bool) -> Path:
    """A run by `docker compose run cli`; kills a generator once candidates are collected."""
    command = ["run", "--rm", "-T", "cli", "stillhouse", "run", "/input/recipe.yaml"]
    seen, run_id, victim = "", "", deployment.compose.containers("generator")[-1]
    with deployment.compose.start(*command) as running:
        assert running.stdout is not None
        for line in running.stdout:
            seen += line
            if line.startswith("run tiny-"):
                run_id = line.split()[1]
            if kill and "collecting" in line:
                docker("kill", victim)
                kill = False
    assert running.returncode == 0, seen
    assert not kill, seen
    return deployment.run_folder(run_id)


def same_work(one: Path, other: Path) -> None:
    assert judged(one) == judged(other)
    assert dataset(one) == dataset(other)
    assert dataset(one)


def test_every_service_is_healthy(deployment: Deployment) -> None:
    for name in _SERVICES:
        containers = deployment.compose.containers(name)
        assert len(containers) == (3 if name == "generator" else 1)
        for one in containers:
            (state,) = json.loads(docker("inspect", one).stdout)
            assert state["State"]["Health"]["Status"] in {"healthy", "starting"}
            assert state["HostConfig"]["ReadonlyRootfs"]
    with urllib.request.urlopen(f"{deployment.gateway}/health/ready", timeout=10) as answer:
        assert json.load(answer)["indexes"] == ["corpus"]


def test_a_generator_of_three_is_killed_and_the_result_is_that_of_the_local_run(
    deployment: Deployment, local: Path
) -> None:
    same_work(local, follow(deployment, kill=True))


def test_streams_are_checked_again_and_nothing_is_prepared_twice(deployment: Deployment) -> None:
    deployment.compose("run", "--rm", "-T", "topology")
    told = deployment.compose("run", "--rm", "-T", "prepare")
    assert "building the index" not in told
    assert "teacher /data/models/teacher " in told


def test_every_service_ends_in_order(deployment: Deployment) -> None:
    """All but the generator that was killed."""
    deployment.compose("stop")
    codes = []
    for name in _SERVICES:
        for one in deployment.compose.containers(name):
            (state,) = json.loads(docker("inspect", one).stdout)
            codes.append((name, state["State"]["ExitCode"]))
    assert codes.count(("generator", 137)) == 1
    assert {code for name, code in codes if name not in {"nats", "generator"}} == {0}
    assert codes.count(("generator", 0)) == 2
