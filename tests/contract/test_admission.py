"""Calls over a method's limit, and several processes behind one port."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from services.runtime import admission
from services.runtime.admission import Admission
from services.runtime.errors import ErrorInterceptor
from stillhouse.errors import Internal, NotFound, ResourceExhausted
from stillhouse.index.client import AsyncIndexClient
from stillhouse.index.v1 import index_pb2, index_pb2_grpc


class Slow(index_pb2_grpc.IndexServiceServicer):
    """Answers when it is let go; its streams fail."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.go = asyncio.Event()

    async def Count(self, _request: Any, _context: Any) -> index_pb2.CountResponse:
        self.begun.set()
        await self.go.wait()
        return index_pb2.CountResponse(count=7)

    async def ScoreText(self, _requests: Any, _context: Any) -> AsyncIterator[Any]:
        raise NotFound("no such thing")
        yield

    async def DecodeSession(self, _requests: Any, _context: Any) -> AsyncIterator[Any]:
        raise RuntimeError("a secret")
        yield


@pytest.fixture
async def slow() -> AsyncIterator[tuple[Slow, str]]:
    server = grpc.aio.server(interceptors=[ErrorInterceptor(admission=Admission({"Count": 1}))])
    service = Slow()  # type: ignore[abstract]
    index_pb2_grpc.add_IndexServiceServicer_to_server(service, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield service, f"127.0.0.1:{port}"
    await server.stop(None)


async def test_what_is_over_the_limit_is_refused_at_once(slow: tuple[Slow, str]) -> None:
    service, target = slow
    async with AsyncIndexClient(target, timeout=10) as client:
        first = asyncio.create_task(client.count("a"))
        await service.begun.wait()
        with pytest.raises(ResourceExhausted, match="Count") as error:
            await client.count("b")
        assert error.value.retry_after == 0.1
        service.go.set()
        assert (await first).count == 7
        assert (await client.count("c")).count == 7


async def test_client_streams_are_guarded(slow: tuple[Slow, str]) -> None:
    async def nothing() -> AsyncIterator[str]:
        return
        yield

    async with AsyncIndexClient(slow[1], timeout=10) as client:
        with pytest.raises(NotFound, match="no such thing"):
            _ = [one async for one in client.score_text(nothing())]
        with pytest.raises(Internal) as error:
            _ = [one async for one in client.decode(nothing())]
        assert "secret" not in str(error.value)


def test_limits_are_read_by_name() -> None:
    limits = Admission(admission.parse("*=2, Ntd=8"))
    assert limits.limit("/a.B/Ntd") == 8
    assert limits.limit("/a.B/Count") == 2
    assert limits.limit("/grpc.health.v1.Health/Check") is None
    assert Admission(admission.parse("")).limit("/a.B/Count") is None
    for wrong in ("a", "=1", "a=0", "a=x", "a=1,a=2"):
        with pytest.raises(ValueError, match=r"METHOD=LIMIT|twice"):
            admission.parse(wrong)
