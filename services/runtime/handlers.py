"""Putting something around every handler of a server, once a method."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import grpc

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"

_MAKE: dict[tuple[bool, bool], tuple[Any, str]] = {
    (False, False): (grpc.unary_unary_rpc_method_handler, "unary_unary"),
    (False, True): (grpc.unary_stream_rpc_method_handler, "unary_stream"),
    (True, False): (grpc.stream_unary_rpc_method_handler, "stream_unary"),
    (True, True): (grpc.stream_stream_rpc_method_handler, "stream_stream"),
}


class Around(grpc.aio.ServerInterceptor):
    """An interceptor that keeps what `wrap` made of a method's handler.

    It must stand behind whatever decides by call: that is no longer asked.
    """

    def __init__(self) -> None:
        self._kept: dict[str, Handler] = {}

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        """The method's wrapped handler, made at its first call; None for no such method."""
        method = handler_call_details.method
        if kept := self._kept.get(method):
            return kept
        handler = await continuation(handler_call_details)
        if handler is not None:
            self._kept[method] = handler = self.wrap(handler, method)
        return handler

    def wrap(self, handler: Handler, method: str) -> Handler:
        """A handler with something around it."""
        raise NotImplementedError


def call_of(handler: Handler) -> Any:
    """The function that answers."""
    return getattr(handler, _MAKE[_kind(handler)][1])


def rebuilt(handler: Handler, call: Any, read: Any = None) -> Handler:
    """The same with another function to answer and, if given, another deserializer."""
    make = _MAKE[_kind(handler)][0]
    made: Handler = make(
        call,
        request_deserializer=read or handler.request_deserializer,
        response_serializer=handler.response_serializer,
    )
    return made


def _kind(handler: Handler) -> tuple[bool, bool]:
    return bool(handler.request_streaming), bool(handler.response_streaming)
