"""What the index counts."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

TOKENS = Gauge(
    "stillhouse_index_tokens", "Tokens of an index.", ["index"], multiprocess_mode="livemax"
)
DOCUMENTS = Gauge(
    "stillhouse_index_documents", "Documents of an index.", ["index"], multiprocess_mode="livemax"
)
CONTENT = Gauge(
    "stillhouse_index_info", "1 for the content that answers, 0 for what did before.",
    ["index", "digest"], multiprocess_mode="livemax",
)  # fmt: skip
WORK = Histogram(
    "stillhouse_index_work_seconds",
    "Seconds of work on a call or a step of a stream, without network and waiting, by where it "
    "is done: loop (short) or thread.",
    ["place"],
    buckets=(
        0.00001, 0.00005, 0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 60,
    ),
)  # fmt: skip
IN_LOOP, IN_THREAD = WORK.labels("loop"), WORK.labels("thread")
SHARD_SECONDS = Histogram(
    "stillhouse_shard_seconds", "Seconds until a shard has answered.", ["shard"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30, 60),
)  # fmt: skip
SHARD_FAILURES = Counter(
    "stillhouse_shard_failures_total", "Calls to a shard that gave no answer, by what was raised.",
    ["shard", "error"],
)  # fmt: skip


def serves(index: str, digest: str, tokens: int, documents: int, before: str = "") -> None:
    """An index answers with this content, which took the place of the digest `before`."""
    gone(index, before)
    CONTENT.labels(index, digest).set(1)
    TOKENS.labels(index).set(tokens)
    DOCUMENTS.labels(index).set(documents)


def gone(index: str, digest: str) -> None:
    """An index no longer answers with this content."""
    if digest:
        CONTENT.labels(index, digest).set(0)
        TOKENS.labels(index).set(0)
        DOCUMENTS.labels(index).set(0)
