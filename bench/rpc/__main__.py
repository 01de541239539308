"""python -m bench.rpc [--rounds 5] [--seconds 2] [--minutes 10] [--results FILE]"""

from __future__ import annotations

import argparse
import contextlib
import shlex
import sys
from pathlib import Path

import numpy as np

from bench.rpc import load, memory, report, servers
from bench.rpc.load import Load, Rate
from services.index.engine import write_index

HERE = Path(__file__).resolve().parent
SEED = 1
ONE, MANY, BATCHES, STREAMS = (
    ("Count", 1, 1),
    ("Count", 2, 16),
    ("CountBatch", 2, 2),
    ("ScoreText", 2, 2),
)


def prepare(work: Path, tokens: int, peer: Path | None) -> None:
    """The corpus, our index of it and the peer's, kept for the next run."""
    if (work / "corpus.npy").exists() and len(np.load(work / "corpus.npy")) == tokens:
        return
    work.mkdir(parents=True, exist_ok=True)
    drawn = np.minimum(np.random.default_rng(SEED).zipf(1.2, tokens), 50_000).astype(np.uint16)
    offsets = np.append(np.arange(0, tokens, 500), tokens).astype(np.uint64)
    write_index(drawn, offsets, work / "ours", "")
    np.save(work / "offsets.npy", offsets)
    np.save(work / "corpus.npy", drawn)
    if peer is not None:
        servers.build_peer(peer, work / "corpus.npy", work / "offsets.npy", work / "peer")


def rates(work: Path, peer: Path | None, rounds: int, seconds: float) -> dict[str, list[Rate]]:
    """Every measurement once a round, so that what slows the machine slows all of them."""
    found: dict[str, list[Rate]] = {}
    with contextlib.ExitStack() as stack:
        index = stack.enter_context(servers.index(work / "ours"))
        empty = stack.enter_context(servers.empty())
        asked = [("empty", empty, MANY), ("count", index, MANY)]
        asked += [("batch", index, BATCHES), ("score", index, STREAMS), ("one", index, ONE)]
        if peer is not None:
            for kind in ("forks", "threads"):
                server = stack.enter_context(servers.peer(peer, work / "peer", kind))
                asked.append((f"peer, {kind}", server, ("http", 1, 1)))
        for number in range(rounds):
            for name, server, shape in asked:
                rate = load.run(Load(*shape, seconds), server, work / "corpus.npy")
                found.setdefault(name, []).append(rate)
                print(f"{number} {name:<14} {rate}", flush=True)
    return found


def main() -> None:
    """Measure and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="0: memory alone")
    parser.add_argument("--seconds", type=float, default=2, help="of each measurement")
    parser.add_argument("--minutes", type=float, default=10, help="of load, for memory; 0: none")
    parser.add_argument("--tokens", type=int, default=10_000_000)
    parser.add_argument("--peer", type=Path, help="the Python that has infini-gram and flask")
    parser.add_argument("--work", type=Path, default=Path(".bench/rpc"))
    parser.add_argument("--results", type=Path, default=HERE / "RESULTS.md")
    given = parser.parse_args()
    prepare(given.work, given.tokens, given.peer)
    corpus = given.work / "corpus.npy"
    command = shlex.join(["python", "-m", "bench.rpc", *sys.argv[1:]])
    if given.rounds:
        found = rates(given.work, given.peer, given.rounds, given.seconds)
        shared = [memory.sharing(given.work / "ours", corpus, n, given.seconds) for n in (1, 2)]
        about = f"`{command}`, {given.tokens:,} Zipf-drawn tokens (seed {SEED})"
        report.write(given.results, found, shared, about)
    if given.minutes:
        report.write_memory(
            given.results, memory.growth(given.work / "ours", corpus, given.minutes)
        )


if __name__ == "__main__":
    main()
