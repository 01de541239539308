from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import stillhouse_native
from numpy.typing import NDArray

from services.index.build import BuiltIndex, build_index
from services.index.engine import Stop
from services.index.excerpts import LocalDocuments
from services.index.registry import LoadedIndex, Registry, open_index
from stillhouse.errors import FailedPrecondition, InvalidArgument, NotFound
from tests.support.small_index import TEXTS, make_ids_index, make_text_index, make_tokenizer


def count(index: LoadedIndex, query: NDArray[np.uint32]) -> int:
    return int(index.engine.count(query, np.array([0, len(query)], np.uint64), Stop(None))[0])


@pytest.fixture
def tokenizer(tmp_path: Path) -> Path:
    return make_tokenizer(tmp_path / "tokenizer.json")


def test_an_index_holds_every_token_and_its_tokenizer(tmp_path: Path, tokenizer: Path) -> None:
    folder = tmp_path / "deep" / "index"
    built = build_index(iter(TEXTS), tokenizer, folder)
    assert built == BuiltIndex(documents=3, tokens=sum(len(one.split()) for one in TEXTS))
    assert (folder / "tokenizer.json").read_bytes() == tokenizer.read_bytes()
    assert [one.name for one in folder.parent.iterdir()] == ["index"]
    with stillhouse_native.Index.open(folder) as index:
        index.verify()


def test_more_documents_than_are_cut_at_once_keep_their_bounds(
    tmp_path: Path, tokenizer: Path
) -> None:
    folder = tmp_path / "index"
    built = build_index((TEXTS[n % 3] for n in range(2500)), tokenizer, folder)
    index = open_index("i", folder, preload=True)
    first, last = index.require_tokenizer().ids(["again the", "hearts are kept"])
    assert (built.documents, index.engine.documents) == (2500, 2500)
    assert count(index, first) == 0
    assert count(index, last) == 2500 // 3 * 2


def test_what_is_there_stays(tmp_path: Path, tokenizer: Path) -> None:
    folder = make_text_index(tmp_path / "index")
    digest = open_index("i", folder, preload=False).engine.digest
    with pytest.raises(InvalidArgument, match="exists") as error:
        build_index(["other"], tokenizer, folder)
    assert error.value.field == "out"
    assert open_index("i", folder, preload=False).engine.digest == digest


def test_a_build_that_fails_leaves_nothing(tmp_path: Path, tokenizer: Path) -> None:
    def texts() -> object:
        yield TEXTS[0]
        raise InvalidArgument("sources", "broken in the middle")

    for given in (texts(), [], [""]):
        with pytest.raises(InvalidArgument):
            build_index(given, tokenizer, tmp_path / "index")  # type: ignore[arg-type]
    assert [one.name for one in tmp_path.iterdir()] == ["tokenizer.json"]


@pytest.mark.parametrize("content", [None, b"", b"{}", b"\xff"])
def test_a_tokenizer_that_is_none(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "broken.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InvalidArgument, match=r"broken\.json") as error:
        build_index(TEXTS, path, tmp_path / "index")
    assert error.value.field == "tokenizer"


def test_another_tokenizer_is_refused(tmp_path: Path) -> None:
    folder = make_text_index(tmp_path / "index")
    file = folder / "tokenizer.json"
    file.write_bytes(file.read_bytes() + b"\n")
    with pytest.raises(FailedPrecondition, match="not the file the corpus was cut with"):
        open_index("i", folder, preload=False)
    file.unlink()
    with pytest.raises(FailedPrecondition, match="cannot read"):
        open_index("i", folder, preload=False)


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    folder = make_ids_index(tmp_path / "index")
    (folder / "manifest.json").write_text("{}")
    with pytest.raises(FailedPrecondition, match="no readable index"):
        Registry({"i": folder}).load()
    with pytest.raises(NotFound, match="no index folder"):
        Registry({"i": tmp_path / "none"}).load()


def test_documents_keep_their_ids(tmp_path: Path, tokenizer: Path) -> None:
    folder = tmp_path / "index"
    build_index(TEXTS, tokenizer, folder, ids=["a", "", "é/3"])
    documents = open_index("i", folder, preload=False).documents
    assert isinstance(documents, LocalDocuments)
    assert [documents.id(n) for n in range(3)] == ["a", "", "é/3"]
    other = build_index(TEXTS, tokenizer, tmp_path / "other")
    assert other.documents == 3
    without = open_index("o", tmp_path / "other", preload=False).documents
    assert isinstance(without, LocalDocuments)
    assert without.id(0) == ""


def test_document_ids_of_another_index_are_refused(tmp_path: Path, tokenizer: Path) -> None:
    folder = tmp_path / "index"
    build_index(TEXTS, tokenizer, folder, ids=["a", "b", "c"])
    (folder / "document-ids.utf8").write_bytes(b"abd")
    with pytest.raises(FailedPrecondition, match="not those"):
        open_index("i", folder, preload=False)
    with pytest.raises(InvalidArgument, match="2 for 3"):
        build_index(TEXTS, tokenizer, tmp_path / "few", ids=["a", "b"])
