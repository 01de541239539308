"""Load from client processes: each asks without a pause until its time is over."""

from __future__ import annotations

import asyncio
import http.client
import json
import multiprocessing
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import numpy as np

from bench.rpc.servers import Server
from stillhouse.index.v1 import index_pb2 as pb
from stillhouse.index.v1 import index_pb2_grpc

NGRAM = 5
BATCH = 256
DOCUMENT = 1000
POSITIONS = 64  # of a document, in a batch


@dataclass(frozen=True, slots=True)
class Load:
    """Who asks: processes with so many calls under way in each, for some seconds."""

    rpc: str
    processes: int
    calls: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Rate:
    """Calls a second, median latency in milliseconds, the server's processor time a call in us."""

    calls: float
    median: float
    cpu: float


def run(load: Load, server: Server, corpus: Path) -> Rate:
    """Ask a server; the seeds of the queries are the numbers of the processes."""
    with multiprocessing.get_context("spawn").Pool(load.processes) as pool:
        pool.map(time.sleep, [0.1] * load.processes)  # until all have started
        cpu = server.cpu_seconds()
        jobs = [(load, server.target, seed, corpus) for seed in range(load.processes)]
        latencies = [one for part in pool.starmap(_ask, jobs, chunksize=1) for one in part]
        used = server.cpu_seconds() - cpu
    median = float(np.median(latencies))
    return Rate(len(latencies) / load.seconds, median * 1e3, used / len(latencies) * 1e6)


def _ask(load: Load, target: str, seed: int, corpus: Path) -> list[float]:
    """The seconds that each call of one process took."""
    tokens, random = np.load(corpus, mmap_mode="r"), np.random.default_rng(seed)
    if load.rpc == "http":
        return _http(target, _ngrams(random, tokens, 200), time.perf_counter() + load.seconds)
    return asyncio.run(_grpc(load, target, random, tokens))


async def _grpc(load: Load, target: str, random: Any, tokens: Any) -> list[float]:
    async with grpc.aio.insecure_channel(target) as channel:
        stub = index_pb2_grpc.IndexServiceStub(channel)
        end = time.perf_counter() + load.seconds
        ask = _KINDS[load.rpc]
        parts = await asyncio.gather(*(ask(stub, random, tokens, end) for _ in range(load.calls)))
    return [one for part in parts for one in part]


def _ngrams(random: Any, tokens: Any, count: int) -> list[list[int]]:
    starts = random.integers(0, len(tokens) - NGRAM, count)
    return [tokens[start : start + NGRAM].tolist() for start in starts]


async def _count(stub: Any, random: Any, tokens: Any, end: float) -> list[float]:
    requests = [
        pb.CountRequest(query=pb.Query(tokens=pb.TokenIds(ids=one)))
        for one in _ngrams(random, tokens, 200)
    ]
    return await _timed(lambda n: stub.Count(requests[n % len(requests)], timeout=10), end)


async def _count_batch(stub: Any, random: Any, tokens: Any, end: float) -> list[float]:
    ids = [token for one in _ngrams(random, tokens, BATCH) for token in one]
    request = pb.CountBatchRequest(sequences=pb.Sequences(ids=ids, lengths=[NGRAM] * BATCH))
    return await _timed(lambda _n: stub.CountBatch(request, timeout=10), end)


async def _score_text(stub: Any, random: Any, tokens: Any, end: float) -> list[float]:
    starts = random.integers(0, len(tokens) - DOCUMENT, 50)
    requests = [
        pb.ScoreTextRequest(query=pb.Query(tokens=pb.TokenIds(ids=tokens[s : s + DOCUMENT])))
        for s in starts
    ]
    call = stub.ScoreText()

    async def step(number: int) -> None:
        await call.write(requests[number % len(requests)])
        await call.read()

    latencies = await _timed(step, end)
    await call.done_writing()
    return latencies


def _contexts(random: Any, tokens: Any, count: int) -> list[list[int]]:
    """Tokens at random positions of documents, each behind all that stands before it."""
    starts = random.integers(0, len(tokens) - DOCUMENT, count)
    sizes = random.integers(1, DOCUMENT + 1, count)
    return [tokens[s : s + n].tolist() for s, n in zip(starts, sizes, strict=True)]


async def _infgram_prob(stub: Any, random: Any, tokens: Any, end: float) -> list[float]:
    requests = [
        pb.InfgramProbRequest(query=pb.Query(tokens=pb.TokenIds(ids=one)))
        for one in _contexts(random, tokens, 200)
    ]
    return await _timed(lambda n: stub.InfgramProb(requests[n % len(requests)], timeout=10), end)


async def _infgram_prob_batch(stub: Any, random: Any, tokens: Any, end: float) -> list[float]:
    contexts = _contexts(random, tokens, POSITIONS)
    ids = [token for one in contexts for token in one]
    request = pb.InfgramProbBatchRequest(
        sequences=pb.Sequences(ids=ids, lengths=map(len, contexts))
    )
    return await _timed(lambda _n: stub.InfgramProbBatch(request, timeout=10), end)


_KINDS: dict[str, Callable[[Any, Any, Any, float], Awaitable[list[float]]]] = {
    "Count": _count,
    "CountBatch": _count_batch,
    "ScoreText": _score_text,
    "InfgramProb": _infgram_prob,
    "InfgramProbBatch": _infgram_prob_batch,
}


async def _timed(step: Callable[[int], Awaitable[Any]], end: float) -> list[float]:
    latencies: list[float] = []
    while (begun := time.perf_counter()) < end:
        await step(len(latencies))
        latencies.append(time.perf_counter() - begun)
    return latencies


def _http(target: str, ngrams: list[list[int]], end: float) -> list[float]:
    """`count` by the peer's JSON; a connection for each call, since its server closes them."""
    latencies: list[float] = []
    while (begun := time.perf_counter()) < end:
        asked = {"index": "bench", "query_type": "count", "query_ids": ngrams[len(latencies) % 200]}
        connection = http.client.HTTPConnection(target, timeout=10)
        connection.request("POST", "/", json.dumps(asked), {"Content-Type": "application/json"})
        answer = json.loads(connection.getresponse().read())
        connection.close()
        if "count" not in answer:
            raise SystemExit(f"the peer answered {answer}")
        latencies.append(time.perf_counter() - begun)
    return latencies
