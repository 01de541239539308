"""`python -m bench.rpc.empty_server ADDRESS`: Count answered without work, the server's ceiling."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import grpc

from services.runtime.server import OPTIONS
from stillhouse.index.v1 import index_pb2 as pb
from stillhouse.index.v1 import index_pb2_grpc


class Empty(index_pb2_grpc.IndexServiceServicer):
    """Answers nothing."""

    async def Count(self, _request: Any, _context: Any) -> pb.CountResponse:
        """Nothing."""
        return pb.CountResponse()


async def main(address: str) -> None:
    """Serve until killed; the server's options are those of the services."""
    server = grpc.aio.server(options=OPTIONS)
    index_pb2_grpc.add_IndexServiceServicer_to_server(Empty(), server)  # type: ignore[abstract]
    server.add_insecure_port(address)
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
