"""Prometheus metrics: the port where they are read, and what every service counts.

A service declares its own in its metrics.py. With several processes behind one port each
writes its values into files of a shared folder, and the parent adds them up.
"""

from __future__ import annotations

import contextlib
import logging
import tempfile
from collections.abc import Iterator

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, start_http_server
from prometheus_client.multiprocess import MultiProcessCollector

from stillhouse.errors import InvalidArgument

log = logging.getLogger(__name__)

_FOLDER = "PROMETHEUS_MULTIPROC_DIR"  # prometheus_client's own

READY = Gauge(
    "stillhouse_ready", "1 once the service answers, 0 before and while it drains.",
    multiprocess_mode="livemin",
)  # fmt: skip
REFUSED = Counter(
    "stillhouse_calls_refused_total",
    "Calls refused before any work: admission (too many under way), token (none that is known).",
    ["reason"],
)
for _reason in ("admission", "token"):
    REFUSED.labels(_reason)


@contextlib.contextmanager
def exposed(listen: str, registry: CollectorRegistry = REGISTRY) -> Iterator[int]:
    """Answer GET /metrics around a block; gives the port. Nothing for "", and 0.

    Raises InvalidArgument if it can't listen there.
    """
    if not listen:
        yield 0
        return
    host, _, port = listen.rpartition(":")
    try:
        if not port.isdecimal() or int(port) > 65535:
            raise OSError("no such port")
        server, thread = start_http_server(int(port), host.strip("[]"), registry)
    except OSError as error:
        raise InvalidArgument(
            "STILLHOUSE_METRICS_LISTEN",
            f"cannot listen on {listen}: {error}; choose another, or port 0 for a free one",
        ) from None
    found = server.server_address[1]
    log.info("metrics", extra={"port": found})
    try:
        yield int(found)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextlib.contextmanager
def gathered(listen: str) -> Iterator[dict[str, str]]:
    """Answer for processes that are started in a block; gives the variables they need.

    They tell nothing themselves. Raises as `exposed`.
    """
    if not listen:
        yield {}
        return
    with tempfile.TemporaryDirectory(prefix="stillhouse-metrics-") as folder:
        registry = CollectorRegistry()
        MultiProcessCollector(registry, path=folder)  # type: ignore[no-untyped-call]
        with exposed(listen, registry):
            yield {_FOLDER: folder, "STILLHOUSE_METRICS_LISTEN": ""}
