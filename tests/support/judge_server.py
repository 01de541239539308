"""A stand-in for a judge behind OpenAI's chat completions: its opinion is a function."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.support.http_serving import QuietHandler, served_http


@dataclass
class JudgeServer:
    """`opinion` takes what stands at A and at B and gives the words of the answer.

    `failures` are statuses that are answered first; `models` are the names it lists.
    """

    opinion: Callable[[str, str], str]
    models: tuple[str, ...] = ("judge",)
    failures: list[int] = field(default_factory=list)
    asked: list[tuple[str, str]] = field(default_factory=list)
    questions: list[dict[str, Any]] = field(default_factory=list)
    url: str = ""

    def answer(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Status and body of an answer to POST /v1/chat/completions."""
        if self.failures:
            return self.failures.pop(0), {"error": {"message": "not now"}}
        (message,) = body["messages"]
        _, _, rest = message["content"].partition("\n\nA:\n")
        a, _, rest = rest.partition("\n\nB:\n")
        b, _, _ = rest.partition("\n\nAnswer with")
        self.asked.append((a, b))
        self.questions.append(body)
        told = {"role": "assistant", "content": self.opinion(a, b)}
        return 200, {"choices": [{"index": 0, "message": told, "finish_reason": "stop"}]}


@contextmanager
def serving(server: JudgeServer) -> Iterator[JudgeServer]:
    """Listen on a free port, with threads of its own."""

    class Handler(QuietHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._respond(200, {"data": [{"id": name} for name in server.models]})

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            self._respond(*server.answer(body))

        def _respond(self, status: int, body: dict[str, Any]) -> None:
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    with served_http(Handler) as url:
        server.url = url
        yield server
