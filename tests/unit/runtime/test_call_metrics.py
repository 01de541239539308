"""How the end of a call is counted, over a real socket."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from prometheus_client import REGISTRY

from services.runtime.call_metrics import CallMetrics
from services.runtime.errors import ErrorInterceptor
from stillhouse.errors import NotFound, ResourceExhausted

SERVICE = "tests.Calls"
BEGUN: list[str] = []  # calls that wait now
Context = grpc.aio.ServicerContext[Any, Any]


def as_it_is(message: bytes) -> bytes:
    return message


async def answer(request: bytes, context: Context) -> bytes:
    return request


async def refuse(request: bytes, context: Context) -> bytes:
    raise NotFound("no such thing")


async def full(request: bytes, context: Context) -> bytes:
    raise ResourceExhausted("at the limit")


async def fail(request: bytes, context: Context) -> bytes:
    raise ZeroDivisionError


async def wait(request: bytes, context: Context) -> bytes:
    BEGUN.append("Wait")
    await asyncio.Event().wait()
    return request


async def stream(request: bytes, context: Context) -> AsyncIterator[bytes]:
    BEGUN.append("Stream")
    yield request
    await asyncio.Event().wait()


UNARY = {"Answer": answer, "Refuse": refuse, "Full": full, "Fail": fail, "Wait": wait}


@pytest.fixture
async def channel() -> AsyncIterator[grpc.aio.Channel]:
    server = grpc.aio.server(interceptors=[CallMetrics(), ErrorInterceptor()])
    handlers: dict[str, Any] = {
        name: grpc.unary_unary_rpc_method_handler(call, as_it_is, as_it_is)
        for name, call in UNARY.items()
    }
    handlers["Stream"] = grpc.unary_stream_rpc_method_handler(stream, as_it_is, as_it_is)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as opened:
        yield opened
    await server.stop(0)


def counted(method: str, code: str) -> float:
    kind = "server_stream" if method == "Stream" else "unary"
    labels = {"grpc_type": kind, "grpc_service": SERVICE, "grpc_method": method}
    return REGISTRY.get_sample_value("grpc_server_handled_total", labels | {"grpc_code": code}) or 0


async def until_counted(method: str, code: str, before: float) -> None:
    """The server learns of a caller's going a moment later."""
    async with asyncio.timeout(20):
        while counted(method, code) != before + 1:
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("method", "code"),
    [
        ("Answer", "OK"),
        ("Refuse", "NotFound"),
        ("Full", "ResourceExhausted"),
        ("Fail", "Internal"),
    ],
)
async def test_by_status(channel: grpc.aio.Channel, method: str, code: str) -> None:
    before = counted(method, code)
    call: Any = channel.unary_unary(f"/{SERVICE}/{method}", as_it_is, as_it_is)
    await channel.channel_ready()
    with contextlib.suppress(grpc.RpcError):
        await call(b"", timeout=20)
    await until_counted(method, code, before)


async def test_a_deadline_that_passes(channel: grpc.aio.Channel) -> None:
    """By the server's clock, or by the caller's a moment earlier."""
    codes = ("DeadlineExceeded", "Canceled")
    before = sum(counted("Wait", code) for code in codes)
    call: Any = channel.unary_unary(f"/{SERVICE}/Wait", as_it_is, as_it_is)
    with contextlib.suppress(grpc.RpcError):
        await call(b"", timeout=0.5)
    async with asyncio.timeout(20):
        while sum(counted("Wait", code) for code in codes) != before + 1:
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("method", ["Wait", "Stream"])
async def test_a_caller_that_goes(channel: grpc.aio.Channel, method: str) -> None:
    before = counted(method, "Canceled")
    BEGUN.clear()
    if method == "Stream":
        call: Any = channel.unary_stream(f"/{SERVICE}/Stream", as_it_is, as_it_is)(b"")
    else:
        call = channel.unary_unary(f"/{SERVICE}/Wait", as_it_is, as_it_is)(b"")
    async with asyncio.timeout(20):
        while not BEGUN:
            await asyncio.sleep(0.01)
    call.cancel()
    await until_counted(method, "Canceled", before)
