"""What is measured: each number of ours beside the same question to each peer."""

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import stillhouse_native

from bench.engine import timing
from bench.engine.corpus import Array


class Row(NamedTuple):
    """A line of the table: microseconds unless `what` says otherwise."""

    what: str
    unit: str
    ours: float
    limit: float | None = None
    infini_gram: float | None = None
    fast_gram: float | None = None
    at_least: bool = False  # whether the limit is a lower one
    spread: tuple[float, float] | None = None  # of our medians, over rounds

    @property
    def reached(self) -> bool | None:
        """Whether ours keeps to the limit, if there is one."""
        if self.limit is None:
            return None
        return self.ours >= self.limit if self.at_least else self.ours <= self.limit


class Engines(NamedTuple):
    """The same corpus three times."""

    ours: stillhouse_native.Index
    infini_gram: Any
    fast_gram: Any


def ngrams(source: Array, n: int, number: int) -> list[list[int]]:
    """Random n-grams of held-out text."""
    starts = np.random.default_rng(n).integers(0, len(source) - n, number)
    return [source[i : i + n].tolist() for i in starts]


def below(
    what: str,
    limit: float | None,
    ours: float,
    infini_gram: float | None = None,
    fast_gram: float | None = None,
) -> Row:
    """A row whose number should not exceed a limit, in microseconds."""
    return Row(what, "us", ours, limit, infini_gram, fast_gram)


def of_rounds(rounds: Sequence[Sequence[Row]]) -> list[Row]:
    """The medians over rounds that hold the same rows."""

    def middle(values: Sequence[float | None]) -> float | None:
        known = [value for value in values if value is not None]
        return float(np.median(known)) if known else None

    return [
        same[0]._replace(
            ours=float(np.median([row.ours for row in same])),
            infini_gram=middle([row.infini_gram for row in same]),
            fast_gram=middle([row.fast_gram for row in same]),
            spread=(min(row.ours for row in same), max(row.ours for row in same)),
        )
        for same in zip(*rounds, strict=True)
    ]


def counts(engines: Engines, held_out: Array) -> Iterator[Row]:
    """One call from Python at a time, and batches."""
    for n in (2, 5, 8):
        queries = [(q,) for q in ngrams(held_out, n, 2_000)]
        yield below(
            f"count, n = {n}, one call",
            3,
            timing.single(engines.ours.count, queries),
            timing.single(engines.infini_gram.count, queries[:500]),
            timing.single(engines.fast_gram.count, queries),
        )
    for n, limit in ((2, 0.1), (5, 0.8), (8, 0.8)):
        per_batch = [
            np.array(ngrams(held_out, n, 4096 * 16), dtype=np.uint16).reshape(16, -1)[i]
            for i in range(16)
        ]
        offsets = np.arange(0, 4096 * n + 1, n, dtype=np.uint64)
        arguments = [(values, offsets) for values in per_batch]
        took = timing.single(engines.ours.count_batch, arguments * 3) / 4096
        yield below(f"count, n = {n}, batch of 4,096, per query, one thread", limit, took)


def next_tokens(engines: Engines, held_out: Array) -> Iterator[Row]:
    """Distributions of bigram contexts that occur, and of long contexts."""
    index = engines.ours
    contexts = [(q,) for q in ngrams(held_out, 2, 1_500) if index.count(q)]
    yield below(
        "ntd of a bigram context, exact (peers sample)",
        100,
        timing.single(index.ntd, contexts),
        timing.single(engines.infini_gram.ntd, contexts[:60]),
        timing.single(engines.fast_gram.primitive_ntd, contexts[:500]),
    )
    frequent = sorted(contexts, key=lambda c: -index.count(*c))[: len(contexts) // 10]
    yield below(
        "ntd of the most frequent tenth of them",
        None,
        timing.single(index.ntd, frequent),
        timing.single(engines.infini_gram.ntd, frequent[:30]),
        timing.single(engines.fast_gram.primitive_ntd, frequent),
    )
    for length in (50, 500):
        queries = [(q[:-1], q[-1]) for q in ngrams(held_out, length + 1, 600)]
        yield below(
            f"infgram_prob, context {length}",
            10,
            timing.single(index.infgram_prob, queries),
            timing.single(engines.infini_gram.infgram_prob, queries[:100]),
            timing.single(engines.fast_gram.prob, queries[:300]),
        )
    arrays = [(np.array(context, np.uint32), token) for context, token in queries]
    took = timing.single(index.infgram_prob, arrays)
    yield below("infgram_prob, context 500, a numpy array", None, took)


def matches(engines: Engines, held_out: Array) -> Iterator[Row]:
    """Matching statistics per position, and scores."""
    index = engines.ours
    texts = [held_out[i : i + 2_000] for i in range(0, 40_000, 2_000)]
    short = [(t[:256].tolist(),) for t in texts[:4]]
    yield below(
        "match_lengths, 2,000 tokens, per position, one thread",
        0.5,
        timing.single(index.match_lengths, [(t,) for t in texts] * 3) / 2_000,
        timing.single(engines.infini_gram.creativity, short) / 256,
        timing.single(engines.fast_gram.creativity, short) / 256,
    )
    took = timing.single(index.score, [(t,) for t in texts] * 3) / 2_000
    yield below("score, 2,000 tokens, per position, one thread", None, took)


def cnf_queries(index: stillhouse_native.Index, held_out: Array) -> list[tuple[Any, ...]]:
    """Pairs of a clause with under 1,000 occurrences and another one with more."""
    random = np.random.default_rng(11)
    terms = [[q] for n in (1, 2) for q in ngrams(held_out, n, 600)]
    rare = [t for t in terms if 0 < index.count(t[0]) < 1_000]
    frequent = [t for t in terms if index.count(t[0]) >= 1_000]
    return [
        ([rare[random.integers(len(rare))], frequent[random.integers(len(frequent))]],)
        for _ in range(300)
    ]


def cooccurrences(engines: Engines, held_out: Array) -> Iterator[Row]:
    """Two clauses within 100 tokens."""
    queries = cnf_queries(engines.ours, held_out)
    yield below(
        "count_cnf, two clauses, the rarer under 1,000",
        100,
        timing.single(engines.ours.count_cnf, queries),
        timing.single(engines.infini_gram.count_cnf, queries[:100]),
        timing.single(engines.fast_gram.count_cnf, queries[:100]),
    )


def threads(engines: Engines, held_out: Array) -> Iterator[Row]:
    """The speed of two threads over one, alternating, on large batches."""
    index = engines.ours
    values = np.array(ngrams(held_out, 5, 200_000), dtype=np.uint16).reshape(-1)
    offsets = np.arange(0, len(values) + 1, 5, dtype=np.uint64)
    text = held_out[:200_000]
    parts = np.arange(0, len(text) + 1, 2_000, dtype=np.uint64)
    calls: list[tuple[str, Callable[..., object], tuple[Array, Array]]] = [
        ("count_batch, n = 5", index.count_batch, (values, offsets)),
        ("match_lengths_batch", index.match_lengths_batch, (text[: parts[-1]], parts)),
    ]
    for name, call, args in calls:
        ratios = []
        for _ in range(7):
            one = timing.repeated(lambda c=call, a=args: c(*a), 1)  # type: ignore[misc]
            two = timing.repeated(lambda c=call, a=args: c(*a, threads=2), 1)  # type: ignore[misc]
            ratios.append(one / two)
        ratio = float(np.median(ratios))
        yield Row(f"{name}: two threads, times one", "", ratio, 1.8, at_least=True)


def build_ours(tokens: Array, offsets: Array, directory: Path) -> tuple[float, float]:
    """Seconds from token ids to an open index, and the peak of memory beside the input."""
    Path("/proc/self/clear_refs").write_text("5")  # forgets the peak so far
    before = _status("VmRSS")
    start = time.perf_counter()
    stillhouse_native.build(tokens, offsets, directory, threads=0)
    stillhouse_native.Index.open(directory).close()
    return time.perf_counter() - start, _status("VmHWM") - before


def _status(field: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    (line,) = (x for x in lines if x.startswith(field))
    return float(line.split()[1]) * 1024


def queries(engines: Engines, held_out: Array) -> Iterator[Row]:
    """All of the above."""
    for part in (counts, next_tokens, matches, cooccurrences, threads):
        yield from part(engines, held_out)
