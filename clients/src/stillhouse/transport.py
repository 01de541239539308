"""Channels to a service, calls with a deadline, and errors back from their statuses."""

from __future__ import annotations

import asyncio
import json
from collections.abc import (
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Iterator,
)
from contextlib import contextmanager
from typing import Any, Protocol, Self, TypeVar

import grpc
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from stillhouse import errors, tracing
from stillhouse.security import Tls, bearer
from stillhouse.streaming import AsyncKept, Ending, Kept, cancelled_from_outside

MAX_MESSAGE_BYTES = 16 * 1024 * 1024

_A = TypeVar("_A")
_Detail = TypeVar("_Detail", error_details_pb2.BadRequest, error_details_pb2.RetryInfo)

_T_co = TypeVar("_T_co", covariant=True)


class _Answers(Protocol[_T_co]):
    def __iter__(self) -> Iterator[_T_co]: ...
    def cancel(self) -> object: ...


class _AsyncAnswers(Protocol[_T_co]):
    def __aiter__(self) -> AsyncIterator[_T_co]: ...
    def cancel(self) -> object: ...


# A stopping server drops a call that it accepted and never began, which reads as CANCELLED;
# where the caller itself cancelled, nothing is repeated.
_REPEATED = ["UNAVAILABLE", "CANCELLED"]

_RETRY_POLICY = {
    "maxAttempts": 4,
    "initialBackoff": "0.05s",
    "maxBackoff": "1s",
    "backoffMultiplier": 2,
    "retryableStatusCodes": _REPEATED,
}

_SERVICE_CONFIG = {
    "loadBalancingConfig": [{"round_robin": {}}],
    "methodConfig": [
        {"name": [{}], "retryPolicy": _RETRY_POLICY},
        # Not asked twice: a repetition might start a second run.
        {"name": [{"service": "stillhouse.trainer.v1.TrainerService", "method": "CreateRun"}]},
    ],
    "retryThrottling": {"maxTokens": 10, "tokenRatio": 0.1},
}

# Replicas that hold different contents refuse a request that names its content; whichever holds it
# is asked in turn. One answer pays for the refusals before it, or a rollout would use up the
# repetitions; where nothing answers they soon end.
_PINNED_CONFIG = {
    "loadBalancingConfig": [{"round_robin": {}}],
    "methodConfig": [
        {
            "name": [{}],
            "retryPolicy": _RETRY_POLICY
            | {"maxAttempts": 5, "retryableStatusCodes": [*_REPEATED, "FAILED_PRECONDITION"]},
        },
    ],
    "retryThrottling": {"maxTokens": 40, "tokenRatio": 4.0},  # gRPC reads a ratio of 4 as 0
}

_OPTIONS = (
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    # A service that was restarted shall be found again soon; the default grows to minutes.
    ("grpc.max_reconnect_backoff_ms", 2_000),
    # The services are neighbours; a proxy set for the world outside can't reach them.
    ("grpc.enable_http_proxy", 0),
    ("grpc.service_config", json.dumps(_SERVICE_CONFIG)),
)
_PINNED_OPTIONS = (*_OPTIONS[:-1], ("grpc.service_config", json.dumps(_PINNED_CONFIG)))


def open_channel(target: str, tls: Tls | None = None, *, pinned: bool = False) -> grpc.Channel:
    """A channel to `target` (HOST:PORT, or any gRPC target such as dns:///HOST:PORT).

    Of several replicas others are asked where one is UNAVAILABLE; with `pinned`, for requests
    that name a content, also where it has another (FAILED_PRECONDITION).
    """
    options = _PINNED_OPTIONS if pinned else _OPTIONS
    if tls is None:
        return grpc.insecure_channel(_checked(target), options)
    return grpc.secure_channel(_checked(target), tls.credentials(), (*options, *tls.options))


def open_async_channel(target: str, tls: Tls | None = None) -> grpc.aio.Channel:
    """`open_channel` for asyncio; belongs to the running loop."""
    if tls is None:
        return grpc.aio.insecure_channel(_checked(target), _OPTIONS)
    options = (*_OPTIONS, *tls.options)
    return grpc.aio.secure_channel(_checked(target), tls.credentials(), options)


def _checked(target: str) -> str:
    if not target.strip():
        raise errors.InvalidArgument("target", "is empty; give HOST:PORT")
    return target


class Client:
    """Owns a channel; a call ends after `timeout` seconds unless it names its own.

    The channel is in plain text without `tls`; `token` goes with every call, and is
    refused where it could be read on the way.
    """

    def __init__(self, target: str, timeout: float, tls: Tls | None, token: str) -> None:
        self._metadata = bearer(target, tls, token)
        self._channel = open_channel(target, tls)
        self._timeout = timeout

    def _call(
        self,
        method: Callable[..., _A],
        request: Message,
        timeout: float | None,
    ) -> _A:
        with translated():
            return method(
                request,
                timeout=self._within(timeout),
                metadata=self._carried(),
            )

    def _stream(
        self, method: Callable[..., _Answers[_A]], asked: Any, timeout: float | None
    ) -> Iterator[_A]:
        """The answers to one request."""
        call = method(asked, timeout=timeout, metadata=self._carried())
        try:
            with translated():
                yield from call
        finally:
            call.cancel()

    def _exchange(
        self, method: Callable[..., _Answers[_A]], requests: Iterable[Any], timeout: float | None
    ) -> Iterator[_A]:
        """The answers to a stream of requests; what making them raises comes through."""
        kept = Kept(requests)
        try:
            yield from self._stream(method, kept, timeout)
        except errors.StillhouseError:
            if kept.raised is not None:
                raise kept.raised from None
            raise

    def _carried(self) -> tuple[tuple[str, str], ...]:
        return (*self._metadata, *tracing.metadata())

    def _within(self, timeout: float | None) -> float:
        return self._timeout if timeout is None else timeout

    def close(self) -> None:
        """End calls under way and close the channel."""
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncClient:
    """`Client` for asyncio; make it inside the loop that uses it."""

    def __init__(self, target: str, timeout: float, tls: Tls | None, token: str) -> None:
        self._metadata = bearer(target, tls, token)
        self._channel = open_async_channel(target, tls)
        self._timeout = timeout

    async def _call(
        self,
        method: Callable[..., Awaitable[_A]],
        request: Message,
        timeout: float | None,
    ) -> _A:
        with translated():
            return await method(
                request,
                timeout=self._within(timeout),
                metadata=self._carried(),
            )

    async def _stream(
        self, method: Callable[..., _AsyncAnswers[_A]], asked: Any, timeout: float | None
    ) -> AsyncIterator[_A]:
        """As `Client._stream`."""
        call = method(asked, timeout=timeout, metadata=self._carried())
        try:
            with translated():
                async for response in call:
                    yield response
        finally:
            call.cancel()

    async def _exchange(
        self,
        method: Callable[..., _AsyncAnswers[_A]],
        requests: AsyncIterable[Any],
        timeout: float | None,
    ) -> AsyncIterator[_A]:
        """As `Client._exchange`."""
        kept = AsyncKept(requests)
        call = method(kept, timeout=timeout, metadata=self._carried())
        ending = Ending(call)
        try:
            async for response in call:
                yield response
        except grpc.RpcError as raised:
            if (error := ending.error(raised)) is not None:
                raise from_rpc_error(error) from None
        except asyncio.CancelledError:
            if kept.raised is None or cancelled_from_outside():
                raise
            raise kept.raised from None
        finally:
            call.cancel()

    def _carried(self) -> tuple[tuple[str, str], ...]:
        return (*self._metadata, *tracing.metadata())

    def _within(self, timeout: float | None) -> float:
        return self._timeout if timeout is None else timeout

    async def close(self) -> None:
        """End calls under way and close the channel."""
        await self._channel.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


@contextmanager
def translated() -> Iterator[None]:
    """Raise what the service raised in place of gRPC's own errors."""
    try:
        yield
    except grpc.RpcError as error:
        raise from_rpc_error(error) from None


def from_rpc_error(error: Any) -> errors.StillhouseError:
    """The error that a status stands for, with the fields its details carry."""
    code, message = error.code(), error.details() or error.code().name
    if code is grpc.StatusCode.INVALID_ARGUMENT:
        return _invalid_argument(error, message)
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED:
        info = _detail(error, error_details_pb2.RetryInfo)
        return errors.ResourceExhausted(message, _seconds(info) if info else 1.0)
    if code is grpc.StatusCode.CANCELLED and message == _RESET:
        return errors.Unavailable("the server dropped the call, since it is stopping")
    kind = _KINDS.get(code)
    return kind(message) if kind else errors.Internal(f"{code.name}: {message}")


# What gRPC says of a call that a stopping server accepted but never began; who cancels
# a call here, or a service that answers CANCELLED, has words of their own.
_RESET = "CANCELLED"

_KINDS: dict[grpc.StatusCode, type[errors.StillhouseError]] = {
    grpc.StatusCode.NOT_FOUND: errors.NotFound,
    grpc.StatusCode.UNAUTHENTICATED: errors.Unauthenticated,
    grpc.StatusCode.FAILED_PRECONDITION: errors.FailedPrecondition,
    grpc.StatusCode.UNAVAILABLE: errors.Unavailable,
    grpc.StatusCode.DEADLINE_EXCEEDED: errors.DeadlineExceeded,
    grpc.StatusCode.CANCELLED: errors.Cancelled,
    grpc.StatusCode.UNIMPLEMENTED: errors.Unimplemented,
}


def _invalid_argument(error: Any, message: str) -> errors.InvalidArgument:
    details = _detail(error, error_details_pb2.BadRequest)
    if details is None or not details.field_violations:
        return errors.InvalidArgument("", message)
    violation = details.field_violations[0]
    return errors.InvalidArgument(violation.field, violation.description)


def _detail(error: Any, kind: type[_Detail]) -> _Detail | None:
    for packed in _status(error).details:
        detail = kind()
        if packed.Unpack(detail):
            return detail
    return None


def _status(error: Any) -> status_pb2.Status:
    try:
        return rpc_status.from_call(error) or status_pb2.Status()
    except ValueError:  # details that contradict the status are as good as none
        return status_pb2.Status()


def _seconds(info: error_details_pb2.RetryInfo) -> float:
    return float(info.retry_delay.ToTimedelta().total_seconds())
