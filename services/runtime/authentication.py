"""Calls that must show a token. Health checks never have to."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Awaitable, Callable, Collection
from typing import Any, TypeAlias

import grpc

from services.runtime.errors import abort
from services.runtime.metrics import REFUSED
from stillhouse.errors import Unauthenticated

_HEALTH = "/grpc.health."
_SCHEME = "bearer "

_Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"


class Bearers:
    """Who may call: whoever shows one of `tokens`."""

    def __init__(self, tokens: Collection[str]) -> None:
        self._digests = [_digest(token) for token in tokens]

    def know(self, authorization: str) -> bool:
        """Whether the value of an authorization header shows one; in the same time for each."""
        if authorization[: len(_SCHEME)].lower() != _SCHEME:
            return False
        shown = _digest(authorization[len(_SCHEME) :])
        same = [hmac.compare_digest(shown, one) for one in self._digests]
        return any(same)


class TokenInterceptor(grpc.aio.ServerInterceptor):
    """Answers UNAUTHENTICATED to calls without one of `tokens` as `authorization: Bearer`."""

    def __init__(self, tokens: Collection[str]) -> None:
        self._bearers = Bearers(tokens)

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[_Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> _Handler | None:
        """The method's own handler, or one that refuses."""
        exempt = handler_call_details.method.startswith(_HEALTH)
        if exempt or self._known(handler_call_details.invocation_metadata or ()):
            return await continuation(handler_call_details)
        return _REFUSING

    def _known(self, metadata: Any) -> bool:
        return any(key == "authorization" and self._bearers.know(value) for key, value in metadata)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


async def _refuse(_requests: Any, context: grpc.aio.ServicerContext[Any, Any]) -> None:
    REFUSED.labels("token").inc()
    await abort(
        context,
        Unauthenticated("the call shows no token of this server's; give the client one"),
    )


# Reads no request, so it does for calls of every kind.
_REFUSING: _Handler = grpc.stream_stream_rpc_method_handler(_refuse)
