"""python -m bench.engine [--tokens 50_000_000] [--rounds 5] [--roots DIR ...] [--results FILE]"""

import argparse
import shutil
import sys
from pathlib import Path

import numpy as np
import stillhouse_native

from bench.engine import corpus, differential, measure, peers, report
from bench.engine.measure import Engines, Row

HERE = Path(__file__).resolve().parent.parent
SYSTEM = [Path("/usr/share"), Path("/usr/include"), Path("/usr/lib/python3"), Path("/usr/src")]


def built(data: corpus.Corpus, work: Path) -> list[Row]:
    """Both indexes of the corpus, built five times, of which the median counts, and once."""
    size = len(data.tokens)
    runs = []
    for _ in range(5):
        shutil.rmtree(work / "ours", ignore_errors=True)
        runs.append(measure.build_ours(data.tokens, data.offsets, work / "ours"))
    ours = float(np.median([seconds for seconds, _ in runs]))
    memory = max(peak for _, peak in runs) / size
    peers.write_inputs(data.tokens, data.offsets, work / "peer")
    theirs = peers.build(work / "peer")
    files = sum(f.stat().st_size for f in (work / "ours").iterdir()) / size
    other = peers.index_bytes(work / "peer") / size
    speed, peer_speed = size / ours / 1e6, size / theirs / 1e6
    speeds = [size / seconds / 1e6 for seconds, _ in runs]
    return [
        Row(
            "build to open index, M tokens/s",
            "",
            speed,
            10,
            peer_speed,
            at_least=True,
            spread=(min(speeds), max(speeds)),
        ),
        Row("build, times infini-gram's speed", "", theirs / ours, 5, at_least=True),
        Row("build memory, bytes a token", "", memory, 12),
        Row("index size, bytes a token", "", files, 6.1, other),
    ]


def main() -> None:
    """Collect, build, compare, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", type=int, default=50_000_000)
    parser.add_argument("--rounds", type=int, default=5, help="of all queries; medians count")
    parser.add_argument("--roots", type=Path, nargs="*", default=[*SYSTEM, Path(sys.prefix)])
    parser.add_argument("--cache", type=Path, default=Path(".bench/data"))
    parser.add_argument("--results", type=Path, default=HERE / "RESULTS.md")
    args = parser.parse_args()

    args.cache = args.cache.resolve()  # the indexer of infini-gram changes directories
    data = corpus.load(args.cache, args.roots, args.tokens)
    print(f"{len(data.tokens):,} tokens", flush=True)
    if len(data.tokens) < args.tokens:
        print(f"fewer than {args.tokens:,}: give more --roots", file=sys.stderr)
    rows = built(data, args.cache)
    engines = Engines(
        stillhouse_native.Index.open(args.cache / "ours", preload=True),
        peers.infini_gram(args.cache / "peer"),
        peers.fast_gram(args.cache / "peer"),
    )
    rounds = []
    for number in range(args.rounds):
        rounds.append(list(measure.queries(engines, data.held_out)))
        print(
            f"round {number + 1} of {args.rounds}", report.table(rounds[-1]), sep="\n", flush=True
        )
    rows += measure.of_rounds(rounds)
    differences = differential.compare(engines, data.tokens, data.offsets, data.held_out)
    print(*differences, sep="\n")
    lengths = np.diff(data.offsets.astype(np.int64))
    about = (
        f"{len(data.tokens):,} tokens (u16) of real text in {len(lengths):,} documents, median "
        f"{np.median(lengths):,.0f} tokens; queries from {len(data.held_out):,} held-out tokens."
    )
    report.write(args.results, rows, about, args.rounds, differences)


if __name__ == "__main__":
    main()
