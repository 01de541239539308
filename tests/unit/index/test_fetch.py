from __future__ import annotations

import hashlib
import http.server
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from services.index.build import build_index
from services.index.excerpts import LocalDocuments
from services.index.fetch import fetch, files_of
from services.index.registry import open_index
from stillhouse.errors import FailedPrecondition, InvalidArgument, Unavailable
from tests.support.small_index import TEXTS, make_tokenizer


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("source") / "index"
    tokenizer = make_tokenizer(folder.with_name("tokenizer.json"))
    build_index(TEXTS, tokenizer, folder, [f"text-{number}" for number in range(len(TEXTS))])
    return folder


def digest_of(folder: Path) -> str:
    return hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest()


class Flaky(http.server.SimpleHTTPRequestHandler):
    """Answers the first request for each file with an error or with half of it."""

    asked: dict[str, int]

    def do_GET(self) -> None:
        count = self.asked[self.path] = self.asked.get(self.path, 0) + 1
        if count == 1:
            self.send_error(503)
        elif count == 2:
            content = Path(self.translate_path(self.path)).read_bytes()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: len(content) // 2])
        else:
            super().do_GET()

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@contextmanager
def over_http(folder: Path, handler: type[http.server.SimpleHTTPRequestHandler]) -> Iterator[str]:
    made = partial(handler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), made) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()


def test_every_file_comes_and_the_index_answers(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "indexes" / "corpus"
    fetch(str(source), digest_of(source), out)
    assert {one.name for one in out.iterdir()} == {one.name for one in source.iterdir()}
    fetched = open_index("corpus", out, preload=False)
    assert isinstance(fetched.documents, LocalDocuments)
    assert fetched.documents.id(1) == "text-1"
    assert [one.name for one in out.parent.iterdir()] == ["corpus"]


def test_a_source_that_falters_is_asked_again(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: None)
    Flaky.asked = {}
    with over_http(source, Flaky) as address:
        fetch(address, digest_of(source), tmp_path / "index")
    for one in source.iterdir():
        assert (tmp_path / "index" / one.name).read_bytes() == one.read_bytes()
    assert set(Flaky.asked.values()) == {3}


def test_a_source_that_is_away_is_named(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: None)
    with over_http(source, http.server.SimpleHTTPRequestHandler) as address:
        pass
    with pytest.raises(Unavailable, match=r"manifest\.json could not be fetched in 5 attempts"):
        fetch(address, digest_of(source), tmp_path / "index")


def test_another_index_is_refused(source: Path, tmp_path: Path) -> None:
    with pytest.raises(FailedPrecondition, match=f"holds the index {digest_of(source)}"):
        fetch(str(source), "0" * 64, tmp_path / "index")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "name", ["segment-0.text", "segment-0.suffixes", "tokenizer.json", "document-ids.utf8"]
)
def test_damage_in_any_file_is_found(source: Path, tmp_path: Path, name: str) -> None:
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    for one in source.iterdir():
        content = bytearray(one.read_bytes())
        if one.name == name:
            content[-1] ^= 1
        (damaged / one.name).write_bytes(content)
    with pytest.raises(FailedPrecondition):
        fetch(str(damaged), digest_of(source), tmp_path / "index")
    assert not (tmp_path / "index").exists()


def test_a_file_that_is_missing_is_named(source: Path, tmp_path: Path) -> None:
    partial_copy = tmp_path / "partial"
    partial_copy.mkdir()
    (partial_copy / "manifest.json").write_bytes((source / "manifest.json").read_bytes())
    with pytest.raises(FailedPrecondition, match=r"has no segment-0\."):
        fetch(str(partial_copy), digest_of(source), tmp_path / "index")


def test_what_is_there_stays(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "index"
    fetch(str(source), digest_of(source), out)
    fetch("/nowhere", digest_of(source), out)
    with pytest.raises(InvalidArgument, match=f"holds {digest_of(source)}, not {'1' * 64}"):
        fetch(str(source), "1" * 64, out)


def test_a_digest_must_be_one(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="64 hexadecimal digits"):
        fetch("/nowhere", "latest", tmp_path / "index")


def test_a_manifest_that_leads_elsewhere_is_refused(tmp_path: Path) -> None:
    manifest = tmp_path / "manifest.json"
    content: dict[str, Any] = {
        "segments": [{"files": [{"name": "../secret"}]}],
        "tokenizer_sha256": "",
        "metadata": {},
    }
    manifest.write_text(json.dumps(content))
    with pytest.raises(FailedPrecondition, match="no file beside it"):
        files_of(manifest)
    manifest.write_text("[]")
    with pytest.raises(FailedPrecondition, match="no manifest"):
        files_of(manifest)
