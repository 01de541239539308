"""The trace that a caller names by `traceparent`, around the handler of its call."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import grpc

from services.runtime.handlers import Around, Handler, call_of, rebuilt
from stillhouse import tracing
from stillhouse.tracing import TraceContext

_Context = grpc.aio.ServicerContext[Any, Any]


class CallTraces(Around):
    """Goes on with callers' traces; a call that belongs to none begins none."""

    def wrap(self, handler: Handler, method: str) -> Handler:
        """The handler inside of a span."""
        around = _stream if handler.response_streaming else _unary
        return rebuilt(handler, around(call_of(handler), method.lstrip("/")))


def _unary(call: Any, name: str) -> Any:
    async def traced(request: Any, context: _Context) -> Any:
        above = _above(context)
        if above is None:
            return await call(request, context)
        with tracing.span(name, "server", above):
            return await call(request, context)

    return traced


def _stream(call: Any, name: str) -> Any:
    async def traced(request: Any, context: _Context) -> AsyncIterator[Any]:
        above = _above(context)
        if above is None:
            async for response in call(request, context):
                yield response
            return
        with tracing.span(name, "server", above):
            async for response in call(request, context):
                yield response

    return traced


def _above(context: _Context) -> TraceContext | None:
    for key, value in context.invocation_metadata() or ():
        if key == tracing.HEADER:
            return TraceContext.parse(value if isinstance(value, str) else "")
    return None
