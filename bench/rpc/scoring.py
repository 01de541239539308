"""python -m bench.rpc.scoring CORPUS.npy INDEX [--rounds 5] [--seconds 3] [--results FILE]

The infinity-gram side of a perplexity, three ways over gRPC from one server process: a call a
position, as the peers' interfaces have it, a batch of positions, and the stream of documents.
CORPUS is token ids, of which documents are cut that the index need not hold.
"""

from __future__ import annotations

import argparse
import shlex
import sys
import time
from pathlib import Path
from statistics import median

from bench.engine.report import machine
from bench.rpc import load, servers
from bench.rpc.load import DOCUMENT, Load, Rate
from stillhouse.local.stack import is_serving

WAYS = (
    ("InfgramProb, a call a position, 32 calls at once", Load("InfgramProb", 2, 16, 0), 1),
    ("InfgramProbBatch of 64 positions", Load("InfgramProbBatch", 2, 2, 0), load.POSITIONS),
    ("ScoreText, one client", Load("ScoreText", 1, 1, 0), DOCUMENT),
    ("ScoreText, two clients, two streams each", Load("ScoreText", 2, 2, 0), DOCUMENT),
)
TARGET = 200_000  # tokens a second


def main() -> None:
    """Measure in alternating rounds and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("corpus", type=Path)
    parser.add_argument("index", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3, help="of each measurement")
    parser.add_argument("--results", type=Path, default=Path(__file__).with_name("SCORING.md"))
    given = parser.parse_args()
    found: dict[str, list[float]] = {}
    with servers.index(given.index) as server:
        while not is_serving(server.target):
            time.sleep(0.2)
        for number in range(given.rounds):
            for name, way, tokens in WAYS:
                asked = Load(way.rpc, way.processes, way.calls, given.seconds)
                rate: Rate = load.run(asked, server, given.corpus)
                found.setdefault(name, []).append(rate.calls * tokens)
                print(f"{number} {name:<50} {found[name][-1]:,.0f} tokens/s", flush=True)
    rows = [
        f"| {name} | {median(rates):,.0f} | {min(rates):,.0f} to {max(rates):,.0f} |"
        for name, rates in found.items()
    ]
    command = shlex.join(["python", "-m", "bench.rpc.scoring", *sys.argv[1:]])
    best = median(found[WAYS[-1][0]])
    given.results.write_text(
        f"""# Scoring documents by the infinity-gram over gRPC

`{command}`; {machine()}; one server process, documents of {DOCUMENT} tokens, contexts of up to
{DOCUMENT} tokens; clients and server share the processors. Medians of {given.rounds} rounds, which
alternate. {TARGET:,} tokens/s must be reached: {"yes" if best >= TARGET else "**no**"}.

| way | tokens/s | rounds |
| --- | ---: | ---: |
"""
        + "\n".join(rows)
        + "\n"
    )


if __name__ == "__main__":
    main()
