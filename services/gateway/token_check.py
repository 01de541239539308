"""Refuses requests without a token, where the settings name tokens."""

from __future__ import annotations

from collections.abc import Collection

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from services.gateway.http_errors import AsciiJson, problem
from services.runtime.authentication import Bearers

_HEALTH = "/health/"


class TokenCheck:
    """401 to requests without one of `tokens` as `Authorization: Bearer`.

    Health checks need none, and neither do a browser's questions before a request (CORS).
    """

    def __init__(self, app: ASGIApp, tokens: Collection[str]) -> None:
        self._app = app
        self._bearers = Bearers(tokens)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or self._may(scope):
            await self._app(scope, receive, send)
            return
        message = "the request shows no token of this gateway's; send Authorization: Bearer"
        answer = AsciiJson(
            problem("UNAUTHENTICATED", message), 401, headers={"WWW-Authenticate": "Bearer"}
        )
        await answer(scope, receive, send)

    def _may(self, scope: Scope) -> bool:
        if scope["path"].startswith(_HEALTH) or scope["method"] == "OPTIONS":
            return True
        return self._bearers.know(Headers(scope=scope).get("authorization", ""))
