"""`stillhouse corpus` and `stillhouse index`, from documents to answers."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from services.index.excerpts import LocalDocuments
from services.index.registry import open_index
from stillhouse.cli import main
from stillhouse.errors import StillhouseError
from stillhouse.index.client import IndexClient
from tests.support.service_process import started
from tests.support.small_index import TEXTS, make_tokenizer, occurrences


def stillhouse(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(one) for one in arguments])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("command")


@pytest.fixture(scope="module")
def index(folder: Path) -> Path:
    """An index built by the command, of a JSONL file and a folder."""
    make_tokenizer(folder / "tokenizer.json")
    (folder / "texts").mkdir()
    (folder / "texts" / "one.txt").write_text(TEXTS[0])
    rows = [json.dumps({"body": text}) for text in TEXTS[1:]]
    (folder / "rest.jsonl").write_text("\n".join(rows))
    result = stillhouse(
        *("index", "build", "--tokenizer", folder, "--out", folder / "index"),
        *("--text-field", "body", folder / "rest.jsonl", folder / "texts"),
    )
    assert (result.exit_code, result.stdout.split(" in ")[0]) == (0, "3 documents, 23 tokens")
    return folder / "index"


@pytest.fixture(scope="module")
def target(index: Path) -> Iterator[str]:
    with started("services.index", INDEXES=f"words={index}") as service:
        with IndexClient(service.target) as client:
            while not client.list_indexes()[0].ready:
                time.sleep(0.02)
        yield service.target


def ask(target: str, *arguments: object) -> Result:
    return stillhouse("index", "query", "--target", target, *arguments)


def test_count(target: str) -> None:
    for text in ("the still runs", "the"):
        found = json.loads(ask(target, "--json", "count", text).stdout)
        assert found["count"] == occurrences(text)


def test_match(target: str) -> None:
    lines = ask(target, "match", "only the still").stdout.splitlines()
    assert [line.split() for line in lines] == [
        ["length", "count", "piece"],
        ["2", "1", "only"],
        ["2", "3", "the"],
        ["1", "3", "still"],
    ]
    found = json.loads(ask(target, "--json", "match", "only the still").stdout)
    assert found[1] == {"length": 2, "count": 3, "piece": "the"}


def test_tables_fit_the_terminal(target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "the still runs hot and the hearts are kept"
    monkeypatch.setenv("COLUMNS", "1000")
    whole = ask(target, "attribute", text).stdout.splitlines()
    assert max(map(len, whole)) > 60
    assert not any("…" in line for line in whole)
    for columns in (60, 30, 1):
        monkeypatch.setenv("COLUMNS", str(columns))
        for arguments in (("attribute", text), ("score", text)):
            lines = ask(target, *arguments).stdout.splitlines()
            assert max(map(len, lines)) <= columns
            assert any("…" in line for line in lines)
    monkeypatch.setenv("COLUMNS", "60")
    header, first, *_ = ask(target, "attribute", text).stdout.splitlines()
    assert header.split()[:3] == ["begin", "end", "count"]
    assert first.split()[:3] == whole[1].split()[:3]


def test_topics_are_written_and_indexed(folder: Path, index: Path) -> None:
    assert stillhouse("corpus", "topics", "--out", folder / "topics").exit_code == 0
    result = stillhouse(
        *("index", "build", "--tokenizer", folder / "tokenizer.json"),
        *("--out", folder / "second", folder / "topics" / "topics.jsonl"),
    )
    assert result.exit_code == 0
    assert (folder / "second" / "tokenizer.json").is_file()


@pytest.mark.parametrize(
    "arguments",
    [
        ("index", "query", "--target", "127.0.0.1:1", "count", "the"),
        ("index", "build", "--tokenizer", "none.json", "--out", "out", "none.jsonl"),
    ],
)
def test_an_error_is_one_line_and_exit_code_2(arguments: tuple[str, ...]) -> None:
    result = stillhouse(*arguments)
    assert result.exit_code == 2
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""


def test_an_index_that_is_not_there(target: str) -> None:
    result = ask(target, "--index", "x", "count", "the")
    assert result.stderr == "error: no index 'x'; this server holds: words\n"


@pytest.mark.parametrize(
    ("raised", "code"), [(KeyboardInterrupt(), 130), (StillhouseError("no"), 2)]
)
def test_exit_codes(raised: BaseException, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise raised

    monkeypatch.setattr(import_module("stillhouse.cli.corpus"), "topics", fail)
    assert stillhouse("corpus", "topics", "--out", "x").exit_code == code


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("count", "the still"), "count   3"),
        (("find", "hearts"), "count     2"),
        (("prob", "the still"), "probability    0.6"),
        (("prob", "--infgram", "never the still"), "suffix_length  1"),
        (("ntd", "the"), "pieces         still hearts"),
        (("score", "the still"), "probabilities"),
        (("cnf", "hot OR long AND the"), "count      2"),
        (("docs", "hot"), "the still runs [hot] and the still runs long"),
        (("attribute", "only the"), "begin  end  count"),
        (("list",), "words"),
    ],
)
def test_query_prints_tables_and_json(target: str, arguments: tuple[str, ...], said: str) -> None:
    result = ask(target, *arguments)
    assert (result.exit_code, said in result.stdout) == (0, True), result.output
    json.loads(ask(target, "--json", *arguments).stdout)


def test_ids_of_documents_are_kept(tmp_path: Path) -> None:
    make_tokenizer(tmp_path / "tokenizer.json")
    rows = [{"key": f"k{number}", "text": text} for number, text in enumerate(TEXTS)]
    (tmp_path / "d.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    result = stillhouse(
        *("index", "build", "--tokenizer", tmp_path, "--out", tmp_path / "index"),
        *("--id-field", "key", tmp_path / "d.jsonl"),
    )
    assert result.exit_code == 0, result.output
    documents = open_index("words", tmp_path / "index", preload=False).documents
    assert isinstance(documents, LocalDocuments)
    assert [documents.id(number) for number in range(len(TEXTS))] == [row["key"] for row in rows]
