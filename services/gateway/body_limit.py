"""Refuses request bodies over a limit before anything reads them."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.gateway.http_errors import AsciiJson, problem


class BodyLimit:
    """Takes a body of at most `limit` bytes in, and hands it on whole; 413 for a larger one."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        size, parts = 0, []
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > self._limit:
                await self._refuse(scope, receive, send)
                return
            if not message.get("more_body"):
                break
        handed_on = False

        async def whole() -> Message:
            nonlocal handed_on
            if handed_on:
                return await receive()
            handed_on = True
            return {"type": "http.request", "body": b"".join(parts), "more_body": False}

        await self._app(scope, whole, send)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        message = f"the body has more than {self._limit} bytes, the limit; send less a request"
        answer = AsciiJson(
            problem("INVALID_ARGUMENT", message), 413, headers={"Connection": "close"}
        )
        await answer(scope, receive, send)
