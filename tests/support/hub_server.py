"""A stand-in for the Hugging Face hub: as much of its HTTP API as a commit to a dataset needs.

Made after what huggingface_hub 2.4 sends: creating a repository, the check of the card, preupload,
LFS batches with PUT, and the commit as JSON lines. No Xet storage, so the client is
told to do without (HF_HUB_DISABLE_XET). What is committed can be read in `files`.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import yaml

from tests.support.http_serving import QuietHandler, served_http

_LARGE = (".parquet",)


@dataclass
class HubServer:
    """One such hub. `token` is the only one that may write.

    `files`: what is committed, by repository and path; `stored`: large files by SHA-256;
    `refusals`: statuses answered to commits first; `full`: it stores no large file.
    """

    token: str = "hf_right"
    files: dict[str, dict[str, bytes]] = field(default_factory=dict)
    private: dict[str, bool] = field(default_factory=dict)
    stored: dict[str, bytes] = field(default_factory=dict)
    commits: list[str] = field(default_factory=list)
    refusals: list[int] = field(default_factory=list)
    full: bool = False
    asked: list[str] = field(default_factory=list)
    url: str = ""

    def answer(self, method: str, path: str, body: bytes, key: str) -> tuple[int, Any]:
        """Status and JSON of an answer."""
        self.asked.append(f"{method} {path}")
        parts = path.strip("/").split("/")
        if parts[0] == "storage":
            return self._store(parts[1], body)
        if key != f"Bearer {self.token}":
            return 401, {"error": "Invalid username or password."}
        if path == "/api/validate-yaml":
            return self._validated(json.loads(body)["content"])
        if path == "/api/repos/create":
            return self._created(json.loads(body))
        repo = "/".join(parts[2:4] if parts[0] == "api" else parts[1:3]).removesuffix(".git")
        return self._of_repository(repo, parts, body)

    def _of_repository(self, repo: str, parts: list[str], body: bytes) -> tuple[int, Any]:
        if repo in self.files and parts[-2:-1] == ["preupload"]:
            return 200, {"files": [_mode(one) for one in json.loads(body)["files"]]}
        if repo in self.files and parts[-2:] == ["objects", "batch"]:
            return 200, {"objects": [self._action(one) for one in json.loads(body)["objects"]]}
        if repo in self.files and parts[-2:-1] == ["commit"]:
            return self._commit(repo, body)
        return 404, {"error": "Repository not found"}

    def _store(self, oid: str, body: bytes) -> tuple[int, Any]:
        if self.full:
            return 403, {"error": "no room"}
        self.stored[oid] = body
        return (200, {}) if hashlib.sha256(body).hexdigest() == oid else (400, {})

    def _validated(self, content: str) -> tuple[int, Any]:
        """As the hub does, the metadata must be YAML, with a licence it has heard of."""
        values = yaml.safe_load(content.split("---")[1])
        if values.get("license") in {"apache-2.0", "cc-by-4.0", "mit", "other"}:
            return 200, {"errors": [], "warnings": []}
        return 400, {"errors": [{"message": '"license" must be one of [apache-2.0, ...]'}]}

    def _created(self, asked: dict[str, Any]) -> tuple[int, Any]:
        assert asked["type"] == "dataset"
        repo = f"{asked['organization']}/{asked['name']}"
        url = f"{self.url}/datasets/{repo}"
        if repo in self.files:
            return 409, {"error": "You already created this dataset repo", "url": url}
        self.files[repo] = {}
        self.private[repo] = bool(asked.get("private") or asked.get("visibility") == "private")
        return 200, {"url": url, "name": repo}

    def _action(self, wanted: dict[str, Any]) -> dict[str, Any]:
        oid = wanted["oid"]
        if oid in self.stored:
            return wanted
        return wanted | {"actions": {"upload": {"href": f"{self.url}/storage/{oid}"}}}

    def _commit(self, repo: str, body: bytes) -> tuple[int, Any]:
        if self.refusals:
            return self.refusals.pop(0), {"error": "not now"}
        for line in body.splitlines():
            entry = json.loads(line)
            value = entry["value"]
            if entry["key"] == "header":
                self.commits.append(value["summary"])
            elif entry["key"] == "file":
                self.files[repo][value["path"]] = base64.b64decode(value["content"])
            elif entry["key"] == "lfsFile":
                self.files[repo][value["path"]] = self.stored[value["oid"]]
        oid = f"{len(self.commits):040x}"
        url = f"{self.url}/datasets/{repo}/commit/{oid}"
        return 200, {"success": True, "commitOid": oid, "commitUrl": url}


def _mode(wanted: dict[str, Any]) -> dict[str, Any]:
    mode = "lfs" if wanted["path"].endswith(_LARGE) else "regular"
    return {"path": wanted["path"], "uploadMode": mode, "shouldIgnore": False}


@contextmanager
def serving(server: HubServer) -> Iterator[HubServer]:
    """Listen on a free port, with threads of its own."""

    class Handler(QuietHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self._respond("POST")

        def do_PUT(self) -> None:
            self._respond("PUT")

        def do_GET(self) -> None:
            self._respond("GET")

        def _respond(self, method: str) -> None:
            body = self._body()
            path = self.path.partition("?")[0]
            key = self.headers.get("authorization", "")
            status, told = server.answer(method, path, body, key)
            content = json.dumps(told).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def _body(self) -> bytes:
            if self.headers.get("transfer-encoding", "").lower() != "chunked":
                return self.rfile.read(int(self.headers.get("content-length", 0)))
            found = b""
            while size := int(self.rfile.readline(), 16):
                found += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return found

    with served_http(Handler) as url:
        server.url = url
        yield server
