"""What goes wrong as a user types it: one clear line, and nothing left behind."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.support.corpus import write_corpus
from tests.support.service_process import launch
from tests.support.small_index import make_tokenizer
from tests.support.tiny_model import make_tiny_model

_COMMAND = str(Path(sys.executable).parent / "stillhouse")
_ROOT = Path(__file__).parents[2]
_RECIPE = (
    "corpus: {source: corpus.jsonl, min_sentences: 1, held_out: 2}\nteacher: {model: ./teacher}\n"
)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prepared")
    make_tiny_model(folder / "teacher")
    make_tokenizer(folder / "tokenizer.json")
    write_corpus(folder / "corpus.jsonl", 8)
    return folder


@pytest.fixture
def home(prepared: Path, tmp_path: Path) -> Path:
    """A folder of a run that would succeed, but for what a test spoils."""
    shutil.copytree(prepared, tmp_path / "home")
    (tmp_path / "home" / "recipe.yaml").write_text(_RECIPE)
    return tmp_path / "home"


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield int(listener.getsockname()[1])


def refused(home: Path, *arguments: object) -> str:
    """The line that the command ends with; it leaves no file and no process behind."""
    before = everything(home)
    result = subprocess.run(
        [_COMMAND, *map(str, arguments)],
        cwd=home,
        env=os.environ | {"TMPDIR": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 2, result
    assert "Traceback" not in result.stdout
    assert everything(home) == before
    assert processes_in(home) == []
    return one_line(result.stderr)


def one_line(stderr: str) -> str:
    assert stderr.startswith("error: "), stderr
    assert stderr.count("\n") == 1, stderr
    return stderr


def everything(home: Path) -> list[Path]:
    return sorted(home.rglob("*"))


def processes_in(home: Path) -> list[int]:
    """Processes that work in this folder or were told its name."""
    found = []
    for process in psutil.process_iter(["cmdline", "cwd"]):
        told = " ".join([*(process.info["cmdline"] or []), process.info["cwd"] or ""])
        if str(home) in told:
            found.append(process.pid)
    return found


# stillhouse run


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("colour: red", "recipe.colour: unknown key; known here: name, seed"),
        ("generation: {sample: 4}", "recipe.generation.sample: unknown key; known here: samples"),
        ("name: 2026-99-99", "recipe: not YAML"),
        ("corpus: {source: none.jsonl}\nteacher: {model: ./teacher}", "home/none.jsonl; give a"),
        (_RECIPE.replace("./teacher", "./none"), "recipe.teacher.model: no model at"),
        (_RECIPE.replace("./teacher", "package:none"), "recipe.teacher.model: no model known in"),
    ],
)
def test_a_wrong_recipe(home: Path, text: str, said: str) -> None:
    (home / "recipe.yaml").write_text(text)
    assert said in refused(home, "run", "recipe.yaml")


def test_a_recipe_that_is_not_there(home: Path) -> None:
    assert "recipe: no file none.yaml; give the path" in refused(home, "run", "none.yaml")


def test_a_recipe_that_is_not_text(home: Path) -> None:
    (home / "recipe.yaml").write_bytes(b"\xff\xfe")
    assert "recipe: recipe.yaml is not UTF-8 text" in refused(home, "run", "recipe.yaml")


def test_an_empty_corpus(home: Path) -> None:
    (home / "corpus.jsonl").write_text("")
    said = refused(home, "run", "recipe.yaml")
    assert "corpus.source: " in said
    assert "holds no usable document" in said
    assert "corpus.min_sentences" in said


def test_a_damaged_corpus(home: Path) -> None:
    (home / "corpus.jsonl").write_text('{"text": "one"}\n{"text": ')
    assert "corpus.jsonl line 2: not JSON" in refused(home, "run", "recipe.yaml")


def test_a_teacher_that_is_no_model(home: Path) -> None:
    (home / "teacher" / "config.json").unlink()
    said = refused(home, "run", "recipe.yaml")
    assert "recipe.teacher.model: no model at" in said
    assert "config.json or a .gguf file" in said


def test_a_teacher_without_a_tokenizer(home: Path) -> None:
    (home / "teacher" / "tokenizer.json").unlink()
    assert "tokenizer.json" in refused(home, "run", "recipe.yaml")


@pytest.mark.parametrize("run", ["none", "../home", ""])
def test_resuming_an_unknown_run(home: Path, run: str) -> None:
    assert f"no run {run}" in refused(home, "run", "--resume", run)


def test_a_folder_of_runs_that_is_a_file(home: Path) -> None:
    said = refused(home, "run", "--resume", "a", "--runs", "recipe.yaml")
    assert "no run a in recipe.yaml" in said


# stillhouse index build, stillhouse corpus


@pytest.mark.parametrize(
    ("tokenizer", "source", "said"),
    [
        ("none.json", "corpus.jsonl", "none.json"),
        ("corpus.jsonl", "corpus.jsonl", "corpus.jsonl"),
        ("tokenizer.json", "none.jsonl", "sources: no file or folder none.jsonl; give a"),
        ("tokenizer.json", "recipe.yaml", "sources: recipe.yaml is of no kind"),
        ("tokenizer.json", "teacher", "sources: teacher holds no usable document"),
    ],
)
def test_an_index_that_cannot_be_built(home: Path, tokenizer: str, source: str, said: str) -> None:
    arguments = ("index", "build", "--tokenizer", tokenizer, "--out", "out", source)
    assert said in refused(home, *arguments)


def test_an_index_is_not_built_over_another(home: Path) -> None:
    arguments = ("index", "build", "--tokenizer", "tokenizer.json", "--out", "teacher")
    assert "teacher" in refused(home, *arguments, "corpus.jsonl")


def test_an_index_is_not_built_where_a_file_is_in_the_way(home: Path) -> None:
    arguments = ("index", "build", "--tokenizer", "tokenizer.json", "--out", "recipe.yaml/out")
    assert "recipe.yaml" in refused(home, *arguments, "corpus.jsonl")


def test_a_server_that_is_not_there(home: Path) -> None:
    assert "127.0.0.1:1" in refused(
        home, "index", "query", "--target", "127.0.0.1:1", "count", "the"
    )


def test_a_corpus_is_not_written_where_a_file_is_in_the_way(home: Path) -> None:
    assert "recipe.yaml" in refused(home, "corpus", "topics", "--out", "recipe.yaml/out")


# Services


@pytest.mark.parametrize(
    "listen", ["{taken}", "127.0.0.1:99999", "192.0.2.1:0"], ids=["taken", "no port", "elsewhere"]
)
def test_a_service_on_a_port_that_it_cannot_have(taken_port: int, listen: str) -> None:
    address = listen.format(taken=f"127.0.0.1:{taken_port}")
    with launch("services.index", INDEXES="a=/nowhere", LISTEN=address) as process:
        _, stderr = process.communicate(timeout=30)
    assert process.returncode == 2
    assert f"STILLHOUSE_LISTEN: cannot listen on {address}: " in one_line(stderr)
    assert "choose another" in stderr


@pytest.mark.parametrize(
    ("variable", "value"),
    [("LOG_LEVEL", "LOUD"), ("LOG_FORMAT", "xml"), ("DRAIN_SECONDS", "-1"), ("THREADS", "many")],
)
def test_a_variable_that_is_wrong_is_named(variable: str, value: str) -> None:
    with launch("services.index", INDEXES="a=/nowhere", **{variable: value}) as process:
        _, stderr = process.communicate(timeout=30)
    assert process.returncode == 2
    assert f"STILLHOUSE_{variable}: " in one_line(stderr)


# Installing


def check_tools(path: Path, python: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/sh", str(_ROOT / "scripts" / "check-tools.sh"), python],
        env={"PATH": str(path)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_an_installation_without_a_compiler_says_how_to_get_one(tmp_path: Path) -> None:
    result = check_tools(tmp_path, sys.executable)
    assert result.returncode == 1
    assert one_line(result.stderr).endswith("g++ is missing, the engine needs it: "
                                            "apt-get install g++\n")  # fmt: skip


def test_an_installation_without_python_says_how_to_get_it(tmp_path: Path) -> None:
    result = check_tools(tmp_path, "python3")
    assert result.returncode == 1
    assert "apt-get install python3" in one_line(result.stderr)


def test_an_installation_with_everything_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "g++").symlink_to("/bin/true")
    result = check_tools(tmp_path, sys.executable)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
