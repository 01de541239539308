from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stillhouse.corpus import SourceDocument, load
from stillhouse.corpus.read import read
from stillhouse.corpus.write import write_jsonl
from stillhouse.errors import FailedPrecondition, InvalidArgument
from stillhouse.recipe import Corpus

LONG = "One is here. Two is here. Three is here."


def corpus(path: Path, **options: Any) -> Corpus:
    return Corpus(source=str(path), **options)


def jsonl(folder: Path, *rows: object) -> Path:
    path = folder / "corpus.jsonl"
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_jsonl_with_fields_of_other_names(tmp_path: Path) -> None:
    path = jsonl(
        tmp_path, {"key": 7, "body": LONG, "tldr": "Three."}, "", {"key": "b", "body": LONG}
    )
    options = {"text_field": "body", "reference_field": "tldr", "id_field": "key"}
    assert load(corpus(path, **options)) == [
        SourceDocument("7", LONG, "Three."),
        SourceDocument("b", LONG, ""),
    ]


def test_what_is_written_is_read(tmp_path: Path) -> None:
    documents = [SourceDocument("b", LONG + " «ü» 漢"), SourceDocument("a", LONG, "Three.")]
    path = tmp_path / "new" / "corpus.jsonl"
    write_jsonl(path, [])
    write_jsonl(path, documents)
    assert load(corpus(path)) == documents
    assert [one.name for one in path.parent.iterdir()] == ["corpus.jsonl"]


def test_parquet(tmp_path: Path) -> None:
    path = tmp_path / "corpus.parquet"
    columns = {"id": [1, 2], "text": [LONG, LONG], "summary": ["Three.", None], "more": [0, 0]}
    pq.write_table(pa.table(columns), path)
    assert load(corpus(path)) == [SourceDocument("1", LONG, "Three."), SourceDocument("2", LONG)]


def test_a_folder_of_texts(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    for name in ("b.txt", "sub/a.txt", "notes.md"):
        (tmp_path / name).write_text(LONG)
    assert [one.id for one in load(corpus(tmp_path))] == ["b", "sub/a"]


def test_made_ids_come_from_the_text(tmp_path: Path) -> None:
    path = jsonl(tmp_path, {"text": LONG}, {"text": LONG + " Four."}, {"text": LONG})
    reading = read(corpus(path))
    assert [one.id[:7] for one in reading.documents] == ["sha256-", "sha256-"]
    assert reading.documents[0].id != reading.documents[1].id
    assert reading.repeated == 1


def test_bounds_of_length(tmp_path: Path) -> None:
    path = jsonl(tmp_path, {"text": "Too short."}, {"text": LONG}, {"text": LONG + " Long" * 20})
    reading = read(corpus(path, max_characters=60))
    assert ([one.text for one in reading.documents], reading.too_short, reading.too_long) == (
        [LONG],
        1,
        1,
    )


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (["{"], "line 1: not JSON"),
        ([{"text": LONG}, "[1]"], "line 2: must be an object"),
        ([{"body": LONG}], "line 1: no field 'text' (there are: body)"),
        ([{"text": None}], "line 1: field 'text' holds null"),
        ([{"text": 5}], "line 1: field 'text' holds int"),
        ([{"text": LONG, "summary": ["x"]}], "line 1: field 'summary' holds list"),
        ([{"text": LONG, "id": 1.5}], "line 1: field 'id' holds float"),
        (['{"text": "\\ud800"}'], "line 1: field 'text' holds half a character"),
        ([{"text": LONG, "id": "a"}, {"text": "x", "id": "a"}], "line 2: the id 'a' is that of"),
        ([{"text": "Short."}], "holds no usable document (1 too short, 0 too long)"),
        ([], "holds no usable document"),
    ],
)
def test_a_bad_row_is_named(tmp_path: Path, rows: list[object], said: str) -> None:
    with pytest.raises(InvalidArgument) as error:
        load(corpus(jsonl(tmp_path, *rows)))
    assert error.value.field == "corpus.source"
    assert said in error.value.reason
    assert "corpus.jsonl" in error.value.reason


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(InvalidArgument, match=r"a\.txt: not UTF-8"):
        load(corpus(tmp_path))
    (tmp_path / "c.jsonl").write_bytes(b'{"text": "\xff"}')
    with pytest.raises(InvalidArgument, match=r"c\.jsonl line 1: not JSON"):
        load(corpus(tmp_path / "c.jsonl"))


def test_a_source_that_is_none(tmp_path: Path) -> None:
    for path in (tmp_path / "none.jsonl", tmp_path / "corpus.csv", tmp_path / "bad.parquet"):
        if path.name != "none.jsonl":
            path.write_text("PAR1 a,b")
        with pytest.raises(InvalidArgument, match=path.name) as error:
            load(corpus(path))
        assert error.value.field == "corpus.source"


def test_a_parquet_file_without_the_column(tmp_path: Path) -> None:
    path = tmp_path / "corpus.parquet"
    pq.write_table(pa.table({"body": [LONG]}), path)
    with pytest.raises(InvalidArgument, match="no field 'text'"):
        load(corpus(path))


def test_sentences_of_five_words_become_documents(tmp_path: Path) -> None:
    text = "The reader opens an old archive. It closes. The caller reads every single member."
    path = tmp_path / "c.jsonl"
    rows = [{"id": "a", "text": text, "summary": "s"}, {"id": "b", "text": text[:33] + "Other."}]
    path.write_text("\n".join(map(json.dumps, rows)))
    given = corpus(path, unit="sentence", min_sentences=1)
    found = load(given)
    assert [(one.id, one.text, one.reference) for one in found] == [
        ("a#0", "The reader opens an old archive.", ""),
        ("a#2", "The caller reads every single member.", ""),
    ]
    path.write_text(json.dumps({"text": "Too short."}))
    with pytest.raises(InvalidArgument, match="5 words") as caught:
        load(given)
    assert caught.value.field == "corpus.unit"


def test_parquet_without_pyarrow_is_one_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "corpus.parquet"
    path.touch()
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(FailedPrecondition, match=r"stillhouse\[parquet\]"):
        read(Corpus(source=str(path)))
