"""A stand-in for vLLM: its form of OpenAI's completions, in process, over a real tiny model.

It echoes prompts with their log-probabilities, which no server that can be had in a test does
rightly. Everything is computed by whole forward passes, one token at a time.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch

from services.checkpoints.load import LoadedModel
from tests.support.http_serving import QuietHandler, served_http

MODEL = "tiny"


@dataclass
class CompletionsWireServer:
    """One such server.

    `failures` are answered first: (status, headers, body), or seconds to say nothing.
    `shifted`: an echo gives each token the log-probability of the next place, as
    llama-cpp-python's does. `tempered`: log-probabilities are those after the temperature.
    `deaf`: seed and temperature have no effect.
    """

    loaded: LoadedModel
    shifted: bool = False
    tempered: bool = False
    deaf: bool = False
    failures: list[tuple[int, dict[str, str], str] | float] = field(default_factory=list)
    requests: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    url: str = ""

    def complete(self, body: dict[str, Any]) -> dict[str, Any]:
        """The answer to POST /v1/completions."""
        choices = [self._choice(body, index) for index in range(body.get("n", 1))]
        tokens = sum(choice.pop("tokens") for choice in choices)
        return {
            "id": "cmpl-1",
            "model": MODEL,
            "choices": choices,
            "usage": {"completion_tokens": tokens},
        }

    def _choice(self, body: dict[str, Any], index: int) -> dict[str, Any]:
        tokenizer = self.loaded.tokenizer
        ids = list(tokenizer(body["prompt"], add_special_tokens=False)["input_ids"])
        temperature = 0.0 if self.deaf else body.get("temperature", 1.0)
        source = torch.Generator().manual_seed(body.get("seed", 0) + index)
        told: list[tuple[int, float | None, float | None]] = []
        if body.get("echo"):
            told = self._echo(ids)
        reason = "length"
        new: list[int] = []
        for _ in range(body["max_tokens"]):
            logits = self._logits(ids + new)[-1]
            heat = temperature if self.tempered and temperature else 1.0
            logprobs = (logits / heat).log_softmax(-1)
            if temperature == 0:
                token = int(logits.argmax())
            else:
                shares = (logits / temperature).softmax(-1)
                token = int(torch.multinomial(shares, 1, generator=source))
            new.append(token)
            told.append((token, float(logprobs[token]), float(logprobs.max())))
            if token == tokenizer.eos_token_id:
                reason = "stop"
                break
            if any(stop in tokenizer.decode(new) for stop in body.get("stop", [])):
                reason = "stop"
                break
        text = str(tokenizer.decode(new, skip_special_tokens=True))
        for stop in body.get("stop", []):
            text = text.partition(stop)[0]
        choice = {
            "index": index,
            "text": (body["prompt"] if body.get("echo") else "") + text,
            "finish_reason": reason,
            "tokens": len(new),
        }
        if body.get("logprobs"):
            choice["logprobs"] = {
                "tokens": [tokenizer.decode([token]) for token, _, _ in told],
                "token_logprobs": [value for _, value, _ in told],
                "top_logprobs": [None if top is None else {"top": top} for _, _, top in told],
            }
        return choice

    def _echo(self, ids: list[int]) -> list[tuple[int, float | None, float | None]]:
        logprobs = self._logits(ids).log_softmax(-1)
        offset = 0 if self.shifted else 1
        told: list[tuple[int, float | None, float | None]] = [(ids[0], None, None)]
        for place in range(1, len(ids)):
            row = logprobs[place - offset]
            told.append((ids[place], float(row[ids[place]]), float(row.max())))
        return told

    @torch.inference_mode()
    def _logits(self, ids: list[int]) -> torch.Tensor:
        logits: torch.Tensor = self.loaded.model(torch.tensor([ids])).logits[0]
        return logits


@contextmanager
def serving(server: CompletionsWireServer) -> Iterator[CompletionsWireServer]:
    """Listen on a free port, with threads of its own."""

    class Handler(QuietHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer(200, {}, json.dumps({"data": [{"id": MODEL, "max_model_len": 2048}]}))

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            server.keys.append(self.headers.get("authorization"))
            server.requests.append(body)
            failure = server.failures.pop(0) if server.failures else None
            if isinstance(failure, tuple):
                self._answer(*failure)
                return
            if failure is not None:
                time.sleep(failure)
            self._answer(200, {}, json.dumps(server.complete(body)))

        def _answer(self, status: int, headers: dict[str, str], body: str) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(body.encode())))
            self.end_headers()
            self.wfile.write(body.encode())

    with served_http(Handler) as url:
        server.url = url
        yield server
