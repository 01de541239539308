"""From exceptions to gRPC statuses, in one place.

`ErrorInterceptor` turns what a handler raises into a status with google.rpc
details; whatever is not a `StillhouseError` is a defect: logged with its
traceback and answered INTERNAL without a word of its text.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import AsyncIterator
from typing import Any, NoReturn

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.protobuf.message import DecodeError
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

from services.runtime.admission import Admission, Gate
from services.runtime.handlers import Around, Handler, call_of, rebuilt
from stillhouse import errors

log = logging.getLogger(__name__)

_CODES: dict[type[errors.StillhouseError], int] = {
    errors.InvalidArgument: code_pb2.INVALID_ARGUMENT,
    errors.NotFound: code_pb2.NOT_FOUND,
    errors.Unauthenticated: code_pb2.UNAUTHENTICATED,
    errors.FailedPrecondition: code_pb2.FAILED_PRECONDITION,
    errors.ResourceExhausted: code_pb2.RESOURCE_EXHAUSTED,
    errors.Unavailable: code_pb2.UNAVAILABLE,
    errors.DeadlineExceeded: code_pb2.DEADLINE_EXCEEDED,
    errors.Cancelled: code_pb2.CANCELLED,
    errors.Unimplemented: code_pb2.UNIMPLEMENTED,
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


async def abort(context: grpc.aio.ServicerContext[Any, Any], error: Exception) -> NoReturn:
    """End a call with the status of `error`."""
    if not isinstance(error, errors.StillhouseError):
        log.exception("a handler failed", exc_info=error)
    status = rpc_status.to_status(to_status(error))
    await context.abort(status.code, status.details, status.trailing_metadata)
    raise AssertionError("abort returns never")


class ErrorInterceptor(Around):
    """Answers every exception of a handler with its status, and bounds calls.

    A unary call ends after `longest_call` seconds even if its caller set no
    deadline; a call over the limits of `admission` is refused.
    """

    def __init__(self, longest_call: float = 600.0, admission: Admission | None = None) -> None:
        super().__init__()
        self._longest_call = longest_call
        self._admission = admission or Admission({})

    def wrap(self, handler: Handler, method: str) -> Handler:
        """The handler, guarded."""
        guard = self._guard_stream if handler.response_streaming else self._guard_unary
        return rebuilt(
            handler,
            guard(call_of(handler), self._admission.gate(method)),
            _tolerant(handler, bool(handler.request_streaming)),
        )

    def _guard_unary(self, call: Any, gate: Gate) -> Any:
        async def guarded(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
            try:
                if isinstance(request, errors.InvalidArgument):
                    raise request
                with gate:
                    remaining = context.time_remaining()
                    if remaining is not None and remaining <= self._longest_call:
                        return await call(request, context)
                    async with asyncio.timeout(self._longest_call):
                        return await call(request, context)
            except TimeoutError:
                await abort(context, errors.DeadlineExceeded("the server's limit for one call"))
            except grpc.aio.AbortError:
                raise
            except Exception as error:
                await abort(context, error)

        return guarded

    def _guard_stream(self, call: Any, gate: Gate) -> Any:
        async def guarded(
            request: Any, context: grpc.aio.ServicerContext[Any, Any]
        ) -> AsyncIterator[Any]:
            try:
                if isinstance(request, errors.InvalidArgument):
                    raise request
                with gate:
                    responses = call(request, context)
                    if inspect.isawaitable(responses):  # it writes to the context itself
                        await responses
                        return
                    async for response in responses:
                        yield response
            except grpc.aio.AbortError:
                raise
            except Exception as error:
                await abort(context, error)

        return guarded


def _tolerant(handler: grpc.RpcMethodHandler[Any, Any], streaming: bool) -> Any:
    """The handler's deserializer; bytes that are no such message are the caller's mistake.

    In a stream the handler meets the error where it reads; a single request is read before
    there is a handler, so the error is handed to it in place of the request.
    """
    deserialize: Any = handler.request_deserializer

    def read(data: bytes) -> Any:
        try:
            return deserialize(data)
        except DecodeError:
            error = errors.InvalidArgument("request", "is no message of this rpc's kind")
            if streaming:
                raise error from None
            return error

    return read
