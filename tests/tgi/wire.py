"""A stand-in for text-generation-inference: its documented wire format over a toy model.

TGI itself is an image for GPUs that can't be had in a test. This server is in process and
knows what its clients rely on: GET /info, POST / with details, seeds, stop sequences, best_of
and decoder_input_details, validation errors (422), overload (429) and failed generations (424).
As in TGI the log-probabilities of generated tokens are those after temperature and nucleus,
those of the input are the model's own, the first has none, and a stop string stays in the text.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import math
import random
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

START, END, OTHER = "<s>", "</s>", "<unk>"
WORDS = (" the", " cat", " sat", " on", " a", " mat", ".", "\n", " END", END, OTHER)
_TOKEN = re.compile(r" ?\w+|\s|[^\w\s]")


def tokens_of(text: str) -> list[str]:
    """The toy's tokens, a start token before them."""
    return [START, *_TOKEN.findall(text)]


def logprobs_after(token: str, temperature: float = 1.0, top_p: float = 1.0) -> dict[str, float]:
    """The next token, given the last one alone; tempered and cut as TGI's warpers do."""
    seeds = {word: hashlib.sha256(f"{token}|{word}".encode()).digest() for word in WORDS}
    logits = {word: seed[0] / 64 / temperature for word, seed in seeds.items()}
    kept: dict[str, float] = {}
    mass = 0.0
    for word, share in sorted(_softmax(logits).items(), key=lambda one: -one[1]):
        if mass < top_p:
            kept[word] = logits[word]
        mass += share
    return {word: math.log(share) for word, share in _softmax(kept).items()}


def _softmax(logits: dict[str, float]) -> dict[str, float]:
    total = math.fsum(math.exp(value) for value in logits.values())
    return {word: math.exp(value) / total for word, value in logits.items()}


def read(text: str) -> list[tuple[str, float | None]]:
    """Every token of a text and its log-probability; words that are not known share one."""
    tokens = tokens_of(text)
    pairs: list[tuple[str, float | None]] = [(tokens[0], None)]
    for last, token in itertools.pairwise(tokens):
        pairs.append((token, logprobs_after(last)[token if token in WORDS else OTHER]))
    return pairs


@dataclass
class TgiWireServer:
    """One such server. `failures` are answered first: (status, body) or "hang" or "drop"."""

    prefill: bool = True
    max_best_of: int = 3
    max_total_tokens: int = 128
    failures: list[Any] = field(default_factory=list)
    requests: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    url: str = ""

    async def info(self, request: web.Request) -> web.StreamResponse:
        if (failed := await self._failed(request)) is not None:
            return failed
        return web.json_response(
            {
                "model_id": "toy/bigrams",
                "model_sha": "0123abc",
                "model_pipeline_tag": "text-generation",
                "max_concurrent_requests": 128,
                "max_best_of": self.max_best_of,
                "max_stop_sequences": 4,
                "max_input_tokens": self.max_total_tokens - 1,
                "max_total_tokens": self.max_total_tokens,
                "validation_workers": 2,
                "max_client_batch_size": 4,
                "router": "text-generation-router",
                "version": "2.4.1",
            }
        )

    async def generate(self, request: web.Request) -> web.StreamResponse:
        self.keys.append(request.headers.get("Authorization"))
        if (failed := await self._failed(request)) is not None:
            return failed
        body = await request.json()
        self.requests.append(body)
        parameters = body["parameters"]
        if (wrong := self._wrong(body["inputs"], parameters)) is not None:
            return _error(422, "validation", f"Input validation error: {wrong}")
        sequences = [
            self._sequence(body["inputs"], parameters) for _ in range(parameters["best_of"] or 1)
        ]
        first, *others = sorted(sequences, key=_mean, reverse=True)
        details = {key: value for key, value in first.items() if key != "generated_text"}
        if parameters["best_of"]:
            details["best_of_sequences"] = others
        return web.json_response([{"generated_text": first["generated_text"], "details": details}])

    async def _failed(self, request: web.Request) -> web.StreamResponse | None:
        if not self.failures:
            return None
        failure = self.failures.pop(0)
        if failure == "hang":
            await self.closing.wait()
        if failure == "drop":
            assert request.transport is not None
            request.transport.close()
            return web.Response()
        status, body = failure
        if isinstance(body, str):
            return web.Response(status=status, text=body)
        return web.json_response(body, status=status)

    def _wrong(self, inputs: str, parameters: dict[str, Any]) -> str | None:
        many = parameters["best_of"] or 1
        if many > self.max_best_of:
            return f"`best_of` must be > 0 and <= {self.max_best_of}. Given: {many}"
        if many > 1 and parameters["seed"] is not None:
            return "`seed` must not be set when `best_of` > 1"
        length = len(tokens_of(inputs)) + parameters["max_new_tokens"]
        if length > self.max_total_tokens:
            return (
                "`inputs` tokens + `max_new_tokens` must be <= "
                f"{self.max_total_tokens}. Given: {length}"
            )
        return None

    def _sequence(self, inputs: str, parameters: dict[str, Any]) -> dict[str, Any]:
        sampled = bool(parameters["do_sample"])
        seed = parameters["seed"]
        if sampled and seed is None:
            seed = random.getrandbits(64)
        source = random.Random(seed)
        last, text, reason = tokens_of(inputs)[-1], "", "length"
        tokens: list[dict[str, Any]] = []
        while len(tokens) < parameters["max_new_tokens"]:
            known = logprobs_after(
                last,
                parameters["temperature"] or 1.0,
                parameters["top_p"] or 1.0,
            )
            last = _drawn(known, source) if sampled else max(known, key=lambda one: known[one])
            special = last == END
            tokens.append(
                {"id": WORDS.index(last), "text": last, "logprob": known[last], "special": special}
            )
            if special:
                reason = "eos_token"
                break
            text += last
            if any(text.endswith(stop) for stop in parameters["stop"]):
                reason = "stop_sequence"
                break
        asked = parameters["decoder_input_details"] and self.prefill
        prefill = [
            {"id": number, "text": token, "logprob": value}
            for number, (token, value) in enumerate(read(inputs) if asked else [])
        ]
        return {
            "generated_text": text,
            "finish_reason": reason,
            "generated_tokens": len(tokens),
            "seed": seed,
            "prefill": prefill,
            "tokens": tokens,
        }


def _drawn(known: dict[str, float], source: random.Random) -> str:
    return source.choices(list(known), [math.exp(value) for value in known.values()])[0]


def _mean(sequence: dict[str, Any]) -> float:
    values: Sequence[float] = [token["logprob"] for token in sequence["tokens"]]
    return math.fsum(values) / len(values)


def _error(status: int, kind: str, message: str) -> web.Response:
    return web.json_response({"error": message, "error_type": kind}, status=status)


@asynccontextmanager
async def serving(server: TgiWireServer) -> AsyncIterator[TgiWireServer]:
    """Listen on a free port."""
    app = web.Application()
    app.add_routes([web.get("/info", server.info), web.post("/", server.generate)])
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield server
    finally:
        server.closing.set()
        await runner.cleanup()
