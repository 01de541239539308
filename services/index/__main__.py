"""`python -m services.index`: serves the indexes that STILLHOUSE_INDEXES names."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

from services.index.queries import Limits
from services.index.registry import Registry
from services.index.rpc import SERVICE, IndexService
from services.index.settings import IndexSettings
from services.runtime.server import Server, run, serving, until_stopped
from stillhouse.index.v1.index_pb2_grpc import add_IndexServiceServicer_to_server


async def main(settings: IndexSettings) -> None:
    """Serve until SIGTERM; indexes load while the server already answers."""
    registry = Registry(settings.indexes, settings.preload)
    limits = Limits(
        query_tokens=settings.max_query_tokens,
        query_characters=settings.max_query_characters,
        batch_queries=settings.max_batch_queries,
        batch_tokens=settings.max_batch_tokens,
    )
    server = Server(settings, (SERVICE,))
    with ThreadPoolExecutor(settings.threads, thread_name_prefix="query") as executor:
        service = IndexService(registry, executor, limits)
        add_IndexServiceServicer_to_server(service, server.grpc)
        async with serving(server):
            await until_stopped(_load(registry, server))


async def _load(registry: Registry, server: Server) -> None:
    await asyncio.to_thread(registry.load)
    await server.ready()
    await asyncio.Event().wait()


if __name__ == "__main__":
    run(IndexSettings, main)
