"""`stillhouse export` on runs as they lie on disk, read again by `datasets` itself."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml
from click.testing import CliRunner, Result
from huggingface_hub import constants

from services.publishing.card import Card
from services.publishing.export import export as write
from services.publishing.merging import SPLITS, merge, read_samples
from services.trainer.files import RunFolder
from services.trainer.provenance import record
from stillhouse.cli import main
from stillhouse.recipe import Recipe
from tests.support.finished_run import make_run
from tests.support.hub_server import HubServer, serving
from tests.support.tiny_model import make_tiny_model
from tests.unit.publishing.test_merging import ACCEPTED, DOCUMENTS

# huggingface_hub 2.4 hands a file to httpx2 by a name that is going.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")

_READ = """
import json, sys
from datasets import load_dataset
found = load_dataset(sys.argv[1])
print(json.dumps({split: list(part) for split, part in found.items()}))
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two runs, in which the command is called."""
    recipe = Recipe.parse(
        f"""
        name: one
        generations: 1
        corpus: {{source: {tmp_path}/secret/documents.jsonl}}
        teacher: {{model: {tmp_path}/secret/weights}}
        evaluation: {{judge: {{url: "http://inside:1"}}}}
        """
    )
    make_run(tmp_path / "runs" / "one-1", DOCUMENTS, ACCEPTED, recipe=recipe)
    make_run(
        tmp_path / "runs" / "two-1",
        {"x": "Another text about something else."},
        [("x", "Something else entirely is said.")],
        scores={"length.ratio": 0.25},
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    """The stand-in, in the place of the hub."""
    with serving(HubServer()) as server:
        monkeypatch.setattr(constants, "ENDPOINT", server.url)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setenv("HF_TOKEN", server.token)
        yield server


def export(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["export", *arguments])


def metadata(card: str) -> dict[str, Any]:
    _, head, _ = card.split("---\n", 2)
    values = yaml.safe_load(head)
    assert isinstance(values, dict)
    return values


def test_datasets_reads_what_is_written(home: Path) -> None:
    result = export("one-1", "two-1", "--to", "out", "--validation", "0.3")
    assert result.exit_code == 0, result.output
    environment = os.environ | {"HF_HOME": str(home / "cache"), "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-c", _READ, str(home / "out")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    splits = json.loads(done.stdout)
    assert set(splits) == {"train", "validation"}
    rows = [*splits["train"], *splits["validation"]]
    told = f"{len(splits['train'])} samples for training and {len(splits['validation'])} for"
    assert told in result.output
    assert {(row["source_id"], row["summary"]) for row in rows if row["run"] == "one-1"} == set(
        ACCEPTED
    )
    sources = [{row["source_id"] for row in part} for part in splits.values()]
    assert sources[0].isdisjoint(sources[1])
    scored = {row["run"]: row["scores"] for row in rows}
    assert scored["two-1"]["length.ratio"] == 0.25
    assert scored["one-1"]["length.ratio"] is None


def test_the_card_tells_where_everything_comes_from(home: Path) -> None:
    assert export("one-1", "two-1", "--to", "out", "--license", "cc-by-4.0").exit_code == 0
    card = (home / "out" / "README.md").read_text()
    values = metadata(card)
    assert values["license"] == "cc-by-4.0"
    assert values["task_categories"] == ["summarization"]
    assert values["size_categories"] == ["n<1K"]
    assert values["configs"][0]["data_files"] == [
        {"split": "train", "path": "data/train-*.parquet"},
        {"split": "validation", "path": "data/validation-*.parquet"},
    ]
    assert "| one-1 | summarize | one | `documents.jsonl` | `weights` | 6 | 6 |" in card
    assert "one-1, generation 1: 12 candidates." in card
    assert "| brevity | 12 | 6 | 50.0 % |" in card
    assert "| pairs, of which sampled | 7, 7 |" in card
    assert "| distinct-1 |" in card
    assert f"| one-1 | 1 | `{1:064x}` | 0 |" in card
    assert "near_duplicate: 0.6" in card
    assert "have at least 0.6 of their word trigrams" in card


def test_the_card_leads_back_to_the_first_teacher(home: Path) -> None:
    run = RunFolder(home / "runs" / "one-1")
    first = make_tiny_model(home / "secret" / "weights")
    made = make_tiny_model(run.student(1), seed=1)
    record(
        replace(made, generation=1),
        run=run,
        recipe_name="one",
        teacher_name=first.uri,
        teacher=first,
        dataset=run.dataset(1),
        seeds={"run": 0},
    )
    assert export("one-1", "--to", "out").exit_code == 0
    card = (home / "out" / "README.md").read_text()
    assert f"- `student-gen1`, `{made.digest}`, generation 1 of one-1: 6 samples, dataset `" in card
    assert f"- `weights`, `{first.digest}`, the first teacher" in card
    assert "secret" not in card
    shutil.rmtree(home / "secret")
    assert export("one-1", "--to", "later").exit_code == 0
    assert "not there any more" in (home / "later" / "README.md").read_text()


def test_a_card_shows_nothing_of_the_machine_it_was_made_on(home: Path) -> None:
    assert export("one-1", "--to", "out").exit_code == 0
    card = (home / "out" / "README.md").read_text()
    assert "secret" not in card
    assert "inside:1" not in card


def test_a_licence_is_never_guessed(home: Path, hub: HubServer) -> None:
    result = export("one-1", "--to", "out", "--push-to-hub", "me/it")
    assert result.exit_code == 2
    assert "error: --license: is needed to publish" in result.output
    assert not (home / "out").exists()
    assert hub.asked == []
    assert export("one-1", "--to", "out").exit_code == 0
    card = (home / "out" / "README.md").read_text()
    assert "license" not in metadata(card)
    assert "Not stated" in card


def test_a_dataset_is_pushed_in_one_commit(home: Path, hub: HubServer) -> None:
    arguments = ["--license", "apache-2.0", "--push-to-hub", "me/it", "--private"]
    result = export("one-1", "--to", "out", *arguments)
    assert result.exit_code == 0, result.output
    assert f"published: {hub.url}/datasets/me/it" in result.output
    assert hub.private == {"me/it": True}
    assert hub.commits == ["Dataset made by stillhouse"]
    written = {
        str(path.relative_to(home / "out")): path.read_bytes()
        for path in (home / "out").rglob("*")
        if path.is_file()
    }
    assert hub.files["me/it"] == written
    assert len(hub.stored) == 2
    # Again, into the repository that is there now; large files that it has are not sent twice.
    assert export("one-1", "--to", "again", *arguments[:-1]).exit_code == 0
    assert len(hub.commits) == 2
    assert hub.private == {"me/it": True}
    assert sum(line.startswith("PUT /storage/") for line in hub.asked) == 2


def test_what_the_hub_refuses_is_told_and_the_folder_stays(
    home: Path, hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    push = ["--license", "apache-2.0", "--push-to-hub"]
    hub.refusals = [403, 422]
    refused = export("one-1", "--to", "a", *push, "me/it")
    assert refused.exit_code == 2
    assert "the hub refuses the token (403)" in refused.output
    assert (home / "a" / "README.md").is_file()
    odd = export("one-1", "--to", "f", *push, "me/it")
    assert "the hub refuses (422)" in odd.output
    unknown = export("one-1", "--to", "b", "--license", "mine", "--push-to-hub", "me/it")
    assert unknown.exit_code == 2
    assert '"license" must be one of' in unknown.output
    assert hub.commits == []
    hub.full = True
    hub.stored.clear()
    no_room = export("one-1", "--to", "e", *push, "me/it")
    assert no_room.exit_code == 2
    assert "the hub refuses the token (403)" in no_room.output
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    wrong = export("one-1", "--to", "c", *push, "me/it")
    assert wrong.exit_code == 2
    assert "the hub refuses the token (401)" in wrong.output
    for name in ("it", "a/b/c", "me/it?"):
        bad = export("one-1", "--to", "d", *push, name)
        assert bad.exit_code == 2
        assert "error: --push-to-hub: " in bad.output
    assert not (home / "d").exists()


def test_a_hub_that_is_away_is_told(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:1")
    arguments = ["--license", "mit", "--push-to-hub", "me/it"]
    result = export("one-1", "--to", "out", *arguments)
    assert result.exit_code == 2
    assert "http://127.0.0.1:1 does not answer" in result.output


def test_nothing_is_written_over_or_by_halves(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "out").mkdir()
    assert export("one-1", "--to", "out").exit_code == 0  # an empty folder is taken
    before = {path: path.stat().st_mtime_ns for path in (home / "out").rglob("*")}
    again = export("two-1", "--to", "out")
    assert again.exit_code == 2
    assert "error: --to: out exists" in again.output
    assert {path: path.stat().st_mtime_ns for path in (home / "out").rglob("*")} == before
    names = set(os.listdir(home))
    assert export("two-1", "--to", "half").exit_code == 2  # one source can't be split
    assert set(os.listdir(home)) == names


def test_a_split_of_many_samples_lies_in_several_files(home: Path) -> None:
    runs = read_samples([RunFolder(home / "runs" / name) for name in ("one-1", "two-1")])
    merged = merge(runs, validation=0.3, near_duplicate=0.6, seed=0)
    sizes = {split: merged.count(split) for split in SPLITS}
    write(Card("many", merged, "", 0), home / "many", shard_rows=2)
    for split, size in sizes.items():
        paths = sorted((home / "many" / "data").glob(f"{split}-*.parquet"))
        count = math.ceil(size / 2)
        assert [path.name for path in paths] == [
            f"{split}-{n:05d}-of-{count:05d}.parquet" for n in range(count)
        ]
        lengths = [pq.read_metadata(path).num_rows for path in paths]
        assert sum(lengths) == size
        assert set(lengths[:-1]) <= {2}
