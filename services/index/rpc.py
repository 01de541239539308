"""The gRPC door of the index: administration here, queries in the files beside."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor

from services.index.limits import Limits
from services.index.registry import Registry
from services.index.rpc_calls import Context
from services.index.rpc_ngrams import NgramCalls
from services.index.rpc_streams import StreamCalls
from stillhouse.index import convert
from stillhouse.index.v1 import index_pb2 as pb
from stillhouse.index.v1 import index_pb2_grpc

SERVICE = pb.DESCRIPTOR.services_by_name["IndexService"].full_name

Changed = Callable[[str, bool], Awaitable[None]]
"""Told a name and whether it answers now."""


async def _nobody(_name: str, _ready: bool) -> None:
    pass


class IndexService(NgramCalls, StreamCalls, index_pb2_grpc.IndexServiceServicer):
    """Queries on the process's indexes; long ones run in `executor`."""

    def __init__(
        self,
        registry: Registry,
        executor: Executor,
        limits: Limits | None = None,
        changed: Changed = _nobody,
    ) -> None:
        super().__init__(registry, executor, limits or Limits())
        self._changed = changed
        self._administration = asyncio.Lock()

    async def ListIndexes(
        self, request: pb.ListIndexesRequest, context: Context
    ) -> pb.ListIndexesResponse:
        """List the indexes."""
        return pb.ListIndexesResponse(indexes=map(convert.info_to_proto, self._registry.infos()))

    async def LoadIndex(
        self, request: pb.LoadIndexRequest, context: Context
    ) -> pb.LoadIndexResponse:
        """Open an index, or swap it."""
        async with self._administration:
            info = await asyncio.to_thread(
                self._registry.open, request.name, request.folder, request.preload, request.digest
            )
            await self._changed(info.name, True)
        return pb.LoadIndexResponse(index=convert.info_to_proto(info))

    async def UnloadIndex(
        self, request: pb.UnloadIndexRequest, context: Context
    ) -> pb.UnloadIndexResponse:
        """Forget an index."""
        async with self._administration:
            self._registry.forget(request.name)
            await self._changed(request.name, False)
        return pb.UnloadIndexResponse()

    async def SetAlias(self, request: pb.SetAliasRequest, context: Context) -> pb.SetAliasResponse:
        """Make, move or remove an alias."""
        self._registry.alias(request.alias, request.name)
        return pb.SetAliasResponse()
