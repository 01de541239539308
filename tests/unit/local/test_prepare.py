"""What is prepared for a run, and when it is there already."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from services.index import build
from stillhouse import corpus
from stillhouse.corpus import SourceDocument
from stillhouse.generator.types import ModelPointer
from stillhouse.local.prepare import Workspace, prepare_index
from stillhouse.recipe import Recipe

DOCUMENT = SourceDocument("a", "A heap keeps its smallest item first.", "")


def test_an_index_is_of_texts_and_ids(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tokenizer.json").write_text("{}")
    monkeypatch.setattr(
        build, "build_index", lambda _texts, _tokenizer, folder, _ids: folder.mkdir()
    )
    workspace = Workspace(tmp_path)
    workspace.indexes.mkdir()

    def folder(*documents: SourceDocument) -> Path:
        monkeypatch.setattr(corpus, "load", lambda _: list(documents))
        return prepare_index(Recipe(), ModelPointer(str(tmp_path)), workspace, lambda _: None)

    assert folder(DOCUMENT) == folder(DOCUMENT)
    others = [replace(DOCUMENT, id="b"), replace(DOCUMENT, text="A list."), DOCUMENT]
    assert len({folder(one) for one in others}) == 3
