"""The trace that a request names by `traceparent`, around its answer."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from stillhouse import tracing
from stillhouse.tracing import TraceContext


class HttpTracing:
    """Goes on with callers' traces; a request that belongs to none begins none."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        header = Headers(scope=scope).get(tracing.HEADER, "") if scope["type"] == "http" else ""
        above = TraceContext.parse(header)
        if above is None:
            await self._app(scope, receive, send)
            return
        with tracing.span(f"{scope['method']} {scope['path']}", "server", above):
            await self._app(scope, receive, send)
