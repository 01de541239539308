"""From exceptions to gRPC statuses, in one place.

`ErrorInterceptor` turns what a handler raises into a status with google.rpc
details; whatever is not a `StillhouseError` is a defect: logged with its
traceback and answered INTERNAL without a word of its text.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NoReturn

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

from stillhouse import errors

log = logging.getLogger(__name__)

_CODES: dict[type[errors.StillhouseError], int] = {
    errors.InvalidArgument: code_pb2.INVALID_ARGUMENT,
    errors.NotFound: code_pb2.NOT_FOUND,
    errors.FailedPrecondition: code_pb2.FAILED_PRECONDITION,
    errors.ResourceExhausted: code_pb2.RESOURCE_EXHAUSTED,
    errors.Unavailable: code_pb2.UNAVAILABLE,
    errors.DeadlineExceeded: code_pb2.DEADLINE_EXCEEDED,
    errors.Cancelled: code_pb2.CANCELLED,
}


def to_status(error: BaseException) -> status_pb2.Status:
    """The google.rpc.Status that tells a caller of `error`."""
    for kind, code in _CODES.items():
        if isinstance(error, kind):
            return status_pb2.Status(code=code, message=str(error), details=_details(error))
    return status_pb2.Status(code=code_pb2.INTERNAL, message="internal error; see the server's log")


def _details(error: errors.StillhouseError) -> list[any_pb2.Any]:
    if isinstance(error, errors.InvalidArgument):
        violation = error_details_pb2.BadRequest.FieldViolation(
            field=error.field, description=error.reason
        )
        return [_pack(error_details_pb2.BadRequest(field_violations=[violation]))]
    if isinstance(error, errors.ResourceExhausted):
        delay = duration_pb2.Duration()
        delay.FromMilliseconds(round(error.retry_after * 1000))
        return [_pack(error_details_pb2.RetryInfo(retry_delay=delay))]
    return []


def _pack(message: Any) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(message)
    return packed


async def _abort(context: grpc.aio.ServicerContext[Any, Any], error: Exception) -> NoReturn:
    if not isinstance(error, errors.StillhouseError):
        log.exception("a handler failed", exc_info=error)
    status = rpc_status.to_status(to_status(error))
    await context.abort(status.code, status.details, status.trailing_metadata)
    raise AssertionError("abort returns never")


class ErrorInterceptor(grpc.aio.ServerInterceptor):
    """Answers every exception of a handler with its status, and bounds unary calls.

    A unary call ends after `longest_call` seconds even if its caller set no
    deadline.
    """

    def __init__(self, longest_call: float = 600.0) -> None:
        self._longest_call = longest_call

    async def intercept_service(
        self,
        continuation: Callable[
            [grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any] | None]
        ],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        """Wrap the handler; streams from the client pass as they are."""
        handler = await continuation(handler_call_details)
        if handler is None or handler.request_streaming:
            return handler
        if handler.response_streaming:
            return grpc.unary_stream_rpc_method_handler(
                self._guard_stream(handler.unary_stream),
                request_deserializer=handler.request_deserializer,
                response_serializer=handler.response_serializer,
            )
        return grpc.unary_unary_rpc_method_handler(
            self._guard_unary(handler.unary_unary),
            request_deserializer=handler.request_deserializer,
            response_serializer=handler.response_serializer,
        )

    def _guard_unary(self, call: Any) -> Any:
        async def guarded(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
            try:
                async with asyncio.timeout(self._longest_call):
                    return await call(request, context)
            except TimeoutError:
                await _abort(context, errors.DeadlineExceeded("the server's limit for one call"))
            except grpc.aio.AbortError:
                raise
            except Exception as error:
                await _abort(context, error)

        return guarded

    def _guard_stream(self, call: Any) -> Any:
        async def guarded(
            request: Any, context: grpc.aio.ServicerContext[Any, Any]
        ) -> AsyncIterator[Any]:
            try:
                responses = call(request, context)
                if inspect.isawaitable(responses):  # it writes to the context itself
                    await responses
                    return
                async for response in responses:
                    yield response
            except grpc.aio.AbortError:
                raise
            except Exception as error:
                await _abort(context, error)

        return guarded
