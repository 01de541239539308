"""The training buffer under many rows: memory, disk and speed, at growing sizes.

    python -m bench.buffer 300000

Rows are made up: summaries of 8 to 24 words from a vocabulary of 20,000 with Zipf's law,
one in ten a near-copy of an earlier one, half of all rejected by a layer before the buffer.
Memory is the process's own (anonymous) beside what it was before the first row; mapped
files are told apart, since the kernel may drop them at any time.
"""

from __future__ import annotations

import argparse
import random
import shutil
import tempfile
import time
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path

import pyarrow as pa

from services.trainer import tables
from services.trainer.buffer import Position, TrainingBuffer
from services.trainer.files import RunFolder
from stillhouse.filter.types import Candidate, Verdict
from stillhouse.generator.types import Decoding

_BATCH = 64
_SHARD = 16_384
_VOCABULARY = [f"w{number:x}" for number in range(20_000)]
_WEIGHTS = list(accumulate(1 / rank for rank in range(1, len(_VOCABULARY) + 1)))


def parts(rows: int) -> Iterator[pa.Table]:
    """Batches as the filter gives them."""
    rng = random.Random(1)
    earlier: list[list[str]] = []
    for batch in range(rows // _BATCH):
        origin = tables.Origin("run", 1, batch, "ab" * 32, Decoding(16, 48))
        candidates, verdicts = [], []
        for place in range(_BATCH):
            if earlier and rng.random() < 0.1:
                words = list(rng.choice(earlier))
                words[rng.randrange(len(words))] = rng.choice(_VOCABULARY)
            else:
                words = rng.choices(_VOCABULARY, cum_weights=_WEIGHTS, k=rng.randint(8, 24))
            if len(earlier) < 1000:
                earlier.append(words)
            identity = f"{batch:08x}{place:08x}" * 4
            candidates.append(Candidate(identity, f"d{batch}", place, " ".join(words), 20, -30.0))
            scores = {f"layer{number}.score": rng.random() for number in range(8)}
            passed = rng.random() < 0.5
            reason = ("", "") if passed else ("brevity", "brevity.too_long")
            verdicts.append(Verdict(identity, passed, *reason, scores=scores))
        yield tables.verdicts_table(origin, candidates, verdicts)


def memory() -> dict[str, int]:
    """Resident bytes of this process, anonymous and of mapped files."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    values = dict(line.split(":", 1) for line in lines)
    return {name: int(values[name].split()[0]) * 1024 for name in ("RssAnon", "RssFile")}


def main() -> None:
    """Fill a buffer and print a line now and then."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rows", type=int)
    parser.add_argument("--every", type=int, default=65_536, help="Rows between two lines.")
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="buffer-"))
    buffer = TrainingBuffer(
        RunFolder(folder), 1, threshold=0.6, layers=["brevity"], shard_rows=_SHARD
    )
    start = memory()
    spent, latest, shown = 0.0, 0.0, 0
    print("| rows | accepted | anonymous MB | mapped MB | index B/accepted | rows/s |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: |")
    try:
        for part in parts(given.rows):
            begun = time.process_time()
            buffer.add(part)
            if buffer.due:
                buffer.checkpoint(Position(buffer.batches, "here"))
            spent += time.process_time() - begun
            if buffer.judged - shown >= given.every:
                now = memory()
                index = folder / "verdicts" / "buffer" / "gen-1" / "index"
                size = sum(one.stat().st_size for one in index.iterdir())
                own, mapped = (now[n] - start[n] for n in ("RssAnon", "RssFile"))
                speed = (buffer.judged - shown) / (spent - latest)
                print(
                    f"| {buffer.judged} | {buffer.accepted} | {own / 1e6:.0f} | {mapped / 1e6:.0f} "
                    f"| {size / buffer.accepted:.0f} | {speed:.0f} |",
                    flush=True,
                )
                shown, latest = buffer.judged, spent
        begun = time.process_time()
        texts = {f"d{number}": "text " * 300 for number in range(buffer.batches)}
        before = memory()["RssAnon"]
        buffer.finish(texts)
        grown = (memory()["RssAnon"] - before) / 1e6
        print(f"\nfinish: {time.process_time() - begun:.1f} s, {grown:.0f} MB more")
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
