"""`python -m services.index`: serves the indexes that STILLHOUSE_INDEXES names.

With STILLHOUSE_SHARDS it serves those that other index services hold in shards. With
`--processes N`, N processes share the port and, through the page cache, the mapped files;
the indexes are fixed then.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from services.index.registry import Registry
from services.index.rpc import SERVICE, IndexService
from services.index.settings import IndexSettings
from services.index.shards.opening import ShardSet, follow, shard_sets, until_open
from services.runtime.processes import supervise
from services.runtime.server import Server, configured, run, serving, until_stopped
from stillhouse.index.v1.index_pb2_grpc import add_IndexServiceServicer_to_server


async def main(settings: IndexSettings) -> None:
    """Serve until SIGTERM; indexes load while the server already answers."""
    root = None if settings.share_port or settings.shards else settings.index_root
    threads = settings.shard_calls if settings.shards else settings.threads
    server = Server(settings, (SERVICE,))

    async def changed(name: str, ready: bool) -> None:
        await server.report(f"{SERVICE}/{name}", ready)

    with (
        shard_sets(settings) as sets,
        ThreadPoolExecutor(threads, thread_name_prefix="query") as executor,
    ):
        opens = {name: one.open for name, one in sets.items()}
        registry = Registry(settings.indexes, settings.preload, root, opens)
        service = IndexService(registry, executor, settings.limits, changed)
        add_IndexServiceServicer_to_server(service, server.grpc)
        async with serving(server):
            await until_stopped(_load(registry, server, sets, settings.shard_seconds))


async def _load(
    registry: Registry, server: Server, sets: Mapping[str, ShardSet], seconds: float
) -> None:
    for name in registry.names():
        await server.report(f"{SERVICE}/{name}", False)
    for name in registry.names():
        if name in sets:
            await until_open(registry, name)
        else:
            await asyncio.to_thread(registry.load, name)
        await server.report(f"{SERVICE}/{name}", True)
    await server.ready()
    await follow(registry, sets, seconds)


def _processes() -> int:
    parser = argparse.ArgumentParser(prog="python -m services.index", description=__doc__)
    parser.add_argument("--processes", type=int, default=1, help="processes that share the port")
    count: int = parser.parse_args().processes
    if count < 1:
        parser.error("--processes must be 1 or more")
    return count


if __name__ == "__main__":
    if (processes := _processes()) > 1:
        with configured(IndexSettings) as shared:
            code = supervise(
                "services.index", processes, shared.listen, metrics_listen=shared.metrics_listen
            )
            raise SystemExit(code)
    run(IndexSettings, main)
