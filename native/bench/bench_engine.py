"""Build speed, memory, and query times of the engine on this machine.

    python native/bench/bench_engine.py [--tokens 10_000_000] [--root DIR ...]

Two corpora: Zipf-distributed ids, and the words of text files under the roots with the last
twentieth of the documents held out for queries. Medians of repeated runs; one thread.
"""

import argparse
import re
import sysconfig
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import stillhouse_native

Array = npt.NDArray[Any]
SUFFIXES = {".py", ".txt", ".md", ".rst", ".h", ".c", ".html", ".pyi", ""}
WORD = re.compile(rb"\w+|[^\w\s]")


def zipf_corpus(tokens: int) -> tuple[Array, Array, Array]:
    """Token ids with the frequencies of words but without their order."""
    random = np.random.default_rng(1)
    weights = 1 / np.arange(1, 65_536)
    edges = np.cumsum(weights / weights.sum())
    values = np.searchsorted(edges, random.random(tokens + 20_000)).clip(max=65_534)
    offsets = np.append(np.arange(0, tokens, 700), tokens)
    return values[:tokens].astype(np.uint16), offsets, values[tokens:].astype(np.uint16)


def text_files(roots: list[Path]) -> Iterator[bytes]:
    """Contents of the text files below the roots, in order of their names."""
    for root in roots:
        for path in sorted(root.rglob("*")):
            if path.suffix in SUFFIXES and path.is_file() and not path.is_symlink():
                data = path.read_bytes()[:200_000]
                if data and b"\0" not in data:
                    yield data


def text_corpus(tokens: int, roots: list[Path]) -> tuple[Array, Array, Array]:
    """Real text as ids of its 65,535 most frequent words, rarer ones folded together."""
    documents: list[list[bytes]] = []
    frequency: Counter[bytes] = Counter()
    total = 0
    for data in text_files(roots):
        words = WORD.findall(data)
        documents.append(words)
        frequency.update(words)
        total += len(words)
        if total > tokens * 1.05:
            break
    numbers = {word: i for i, (word, _) in enumerate(frequency.most_common(65_534))}
    arrays = [np.array([numbers.get(w, 65_534) for w in d], dtype=np.uint16) for d in documents]
    np.random.default_rng(2).shuffle(arrays)
    held = max(1, len(arrays) // 20)
    kept = arrays[held:]
    offsets = np.concatenate([[0], np.cumsum([len(a) for a in kept])])
    return np.concatenate(kept), offsets, np.concatenate(arrays[:held])[:200_000]


def memory_status(field: str) -> int:
    """A line of this process's status in bytes: VmRSS is now, VmHWM the peak."""
    (line,) = (x for x in Path("/proc/self/status").read_text().splitlines() if x.startswith(field))
    return int(line.split()[1]) * 1024


def median_seconds(call: Callable[[], object], repeat: int) -> float:
    """Median time of a call."""
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def single_calls(call: Callable[[Any], object], queries: list[Any]) -> tuple[float, float]:
    """Median and 99th percentile over one call for each query, in microseconds."""
    times = []
    for query in queries:
        start = time.perf_counter_ns()
        call(query)
        times.append(time.perf_counter_ns() - start)
    return float(np.median(times)) / 1e3, float(np.percentile(times, 99)) / 1e3


def ngrams(source: Array, n: int, number: int) -> list[Array]:
    """Random n-grams of a sequence."""
    starts = np.random.default_rng(n).integers(0, len(source) - n, number)
    return [source[i : i + n] for i in starts]


def report_queries(index: stillhouse_native.Index, seen: Array, held_out: Array) -> None:
    """Query times for n-grams of the corpus itself and of text it does not hold."""
    for name, source in (("from the corpus", seen), ("held out", held_out)):
        for n in (2, 5, 8):
            queries = ngrams(source, n, 4096)
            values = np.concatenate(queries)
            offsets = np.arange(0, len(values) + 1, n)
            lists = [query.tolist() for query in queries]
            index.count_batch(values, offsets)
            batch = median_seconds(lambda v=values, o=offsets: index.count_batch(v, o), 15) / 4096  # type: ignore[misc]
            p50, p99 = single_calls(index.count, queries)
            list50, _ = single_calls(index.count, lists)
            print(
                f"  count n={n} {name}: p50 {p50:.2f} us, p99 {p99:.2f} us, "
                f"list p50 {list50:.2f} us, batch {batch * 1e6:.3f} us a query"
            )
        text = source[:20_000]
        index.match_lengths(text)
        seconds = median_seconds(lambda t=text: index.match_lengths(t), 7) / len(text)  # type: ignore[misc]
        lengths, _ = index.match_lengths(text)
        print(
            f"  match_lengths {name}: {seconds * 1e6:.3f} us a position (mean {lengths.mean():.1f})"
        )


def report(name: str, tokens: Array, offsets: Array, held_out: Array) -> None:
    """Build, open and ask one corpus."""
    print(f"{name}: {len(tokens):,} tokens, {len(offsets) - 1:,} documents, {tokens.dtype}")
    Path("/proc/self/clear_refs").write_text("5")  # forgets the peak so far
    before = memory_status("VmRSS")
    with tempfile.TemporaryDirectory() as scratch:
        directory = Path(scratch) / "index"
        start = time.perf_counter()
        stillhouse_native.build(tokens, offsets, directory)
        index = stillhouse_native.Index.open(directory)
        took = time.perf_counter() - start
        grown = memory_status("VmHWM") - before
        size = sum(file.stat().st_size for file in directory.iterdir())
        print(
            f"  build and open: {took:.2f} s, {len(tokens) / took / 1e6:.2f} M tokens/s; bytes a "
            f"token: peak memory {grown / len(tokens):.1f}, index {size / len(tokens):.2f}"
        )
        seconds = median_seconds(index.verify, 3)
        print(f"  verify: {size / seconds / 1e9:.2f} GB/s")
        for preload in (False, True):
            opened = stillhouse_native.Index.open(directory, preload=preload)
            print(" preloaded" if preload else " mapped")
            report_queries(opened, tokens[len(tokens) // 3 :], held_out)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tokens", type=int, default=10_000_000)
    parser.add_argument("--root", type=Path, action="append", help="where to look for text")
    options = parser.parse_args()
    packages = Path(sysconfig.get_paths()["purelib"])
    roots = options.root or [
        Path("/usr/share/doc"),
        Path(sysconfig.get_paths()["stdlib"]),
        packages,
    ]
    report("zipf", *zipf_corpus(options.tokens))
    report("text", *text_corpus(options.tokens, roots))


if __name__ == "__main__":
    main()
