"""Throughput of the index's rpcs beside an empty handler, several client processes each.

python bench/rpc/measure.py [--seconds 4] [--tokens 2000000]
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc
import numpy as np

from services.index.engine import write_index
from stillhouse.index.v1 import index_pb2 as pb
from stillhouse.index.v1 import index_pb2_grpc

SHAPES = {"Count": (2, 16), "CountBatch": (2, 2), "ScoreText": (2, 2)}  # processes, calls each


class Empty(index_pb2_grpc.IndexServiceServicer):
    """Answers without work."""

    async def Count(self, _request: Any, _context: Any) -> pb.CountResponse:
        """Nothing."""
        return pb.CountResponse()


async def serve_empty() -> None:
    """Serve `Empty`; tells the port on standard output."""
    server = grpc.aio.server()
    index_pb2_grpc.add_IndexServiceServicer_to_server(Empty(), server)  # type: ignore[abstract]
    print(server.add_insecure_port("127.0.0.1:0"), flush=True)
    await server.start()
    await server.wait_for_termination()


def load(target: str, rpc: str, calls: int, seconds: float, seed: int, corpus: Path) -> list[float]:
    """Latencies in seconds of all calls of one client process."""
    return asyncio.run(_load(target, rpc, calls, seconds, seed, np.load(corpus)))


async def _load(
    target: str, rpc: str, calls: int, seconds: float, seed: int, tokens: Any
) -> list[float]:
    random = np.random.default_rng(seed)
    async with grpc.aio.insecure_channel(target) as channel:
        stub = index_pb2_grpc.IndexServiceStub(channel)
        end = time.perf_counter() + seconds
        kinds: dict[str, Callable[[], Awaitable[list[float]]]] = {
            "Count": lambda: _unary(stub, _ngrams(random, tokens, 200), end),
            "CountBatch": lambda: _batches(stub, _ngrams(random, tokens, 256), end),
            "ScoreText": lambda: _scores(stub, random, tokens, end),
        }
        parts = await asyncio.gather(*(kinds[rpc]() for _ in range(calls)))
    return [one for part in parts for one in part]


def _ngrams(random: Any, tokens: Any, count: int) -> list[list[int]]:
    starts = random.integers(0, len(tokens) - 5, count)
    return [tokens[start : start + 5].tolist() for start in starts]


async def _unary(stub: Any, ngrams: list[list[int]], end: float) -> list[float]:
    requests = [pb.CountRequest(query=pb.Query(tokens=pb.TokenIds(ids=one))) for one in ngrams]
    return await _timed(lambda n: stub.Count(requests[n % len(requests)], timeout=10), end)


async def _batches(stub: Any, ngrams: list[list[int]], end: float) -> list[float]:
    ids = [token for one in ngrams for token in one]
    request = pb.CountBatchRequest(sequences=pb.Sequences(ids=ids, lengths=[5] * len(ngrams)))
    return await _timed(lambda _n: stub.CountBatch(request, timeout=10), end)


async def _scores(stub: Any, random: Any, tokens: Any, end: float) -> list[float]:
    starts = random.integers(0, len(tokens) - 1000, 50)
    requests = [
        pb.ScoreTextRequest(query=pb.Query(tokens=pb.TokenIds(ids=tokens[s : s + 1000].tolist())))
        for s in starts
    ]
    call = stub.ScoreText()

    async def step(number: int) -> None:
        await call.write(requests[number % len(requests)])
        await call.read()

    latencies = await _timed(step, end)
    await call.done_writing()
    return latencies


async def _timed(step: Callable[[int], Awaitable[Any]], end: float) -> list[float]:
    latencies: list[float] = []
    while (begun := time.perf_counter()) < end:
        await step(len(latencies))
        latencies.append(time.perf_counter() - begun)
    return latencies


def measure(target: str, rpc: str, seconds: float, corpus: Path) -> tuple[float, float]:
    """Calls a second and the median latency in milliseconds."""
    processes, calls = SHAPES[rpc]
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        pool.map(time.sleep, [0.1] * processes)
        jobs = [(target, rpc, calls, seconds, seed, corpus) for seed in range(processes)]
        latencies = [one for part in pool.starmap(load, jobs) for one in part]
    return len(latencies) / seconds, float(np.median(latencies)) * 1e3


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--tokens", type=int, default=2_000_000)
    parser.add_argument("--serve-empty", action="store_true")
    given = parser.parse_args()
    if given.serve_empty:
        asyncio.run(serve_empty())
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder, corpus = Path(scratch) / "index", Path(scratch) / "corpus.npy"
        tokens = np.minimum(np.random.default_rng(1).zipf(1.2, given.tokens), 50_000)
        tokens = tokens.astype(np.uint16)
        offsets = np.append(np.arange(0, given.tokens, 500), given.tokens).astype(np.uint64)
        write_index(tokens, offsets, folder, "")
        np.save(corpus, tokens)
        # A port of its own would do for the service too; it tells its own in the log.
        empty = subprocess.Popen(
            [sys.executable, __file__, "--serve-empty"], stdout=subprocess.PIPE, text=True
        )
        environment = os.environ | {
            "STILLHOUSE_INDEXES": f"bench={folder}", "STILLHOUSE_LISTEN": "127.0.0.1:50971",
            "STILLHOUSE_LOG_LEVEL": "ERROR", "STILLHOUSE_PRELOAD": "true",
        }  # fmt: skip
        served = subprocess.Popen([sys.executable, "-m", "services.index"], env=environment)
        try:
            assert empty.stdout is not None
            nothing, target = f"127.0.0.1:{empty.stdout.readline().strip()}", "127.0.0.1:50971"
            time.sleep(3)
            for _ in range(2):
                for name, where, rpc, unit in (
                    ("empty handler", nothing, "Count", 1),
                    ("Count", target, "Count", 1),
                    ("CountBatch of 256 (n-grams)", target, "CountBatch", 256),
                    ("ScoreText of 1000 (tokens)", target, "ScoreText", 1000),
                ):
                    rate, median = measure(where, rpc, given.seconds, corpus)
                    print(f"{name:<30} {rate * unit:12.0f}/s  p50 {median:8.3f} ms", flush=True)
        finally:
            empty.terminate()
            served.terminate()
            served.wait()


if __name__ == "__main__":
    main()
