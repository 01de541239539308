"""A service's servicer behind a real socket, in the test's own loop."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import grpc

from services.runtime.server import Server
from services.runtime.settings import ServiceSettings


@asynccontextmanager
async def served(service: str, add: Callable[[grpc.aio.Server], None]) -> AsyncIterator[str]:
    """Serve what `add` adds under the full name `service`; gives the target."""
    server = Server(ServiceSettings(drain_seconds=1), (service,))
    add(server.grpc)
    port = await server.start()
    await server.ready()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.drain()
