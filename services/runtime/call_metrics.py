"""Counts and times of gRPC calls, by the names of go-grpc's middleware."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import grpc
from prometheus_client import Counter, Histogram

from services.runtime.handlers import Around, Handler, call_of, rebuilt

_SKEW = 0.1  # seconds by which the caller's clock may be earlier at a deadline
_LABELS = ("grpc_type", "grpc_service", "grpc_method")
_SECONDS = (
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60,
)  # fmt: skip

STARTED = Counter("grpc_server_started_total", "Calls that were begun.", _LABELS)
HANDLED = Counter(
    "grpc_server_handled_total", "Calls that have ended, by their status.", (*_LABELS, "grpc_code")
)
HANDLING = Histogram(
    "grpc_server_handling_seconds", "Seconds from a call's begin to its end.", _LABELS,
    buckets=_SECONDS,
)  # fmt: skip

_KINDS = {
    (False, False): "unary",
    (False, True): "server_stream",
    (True, False): "client_stream",
    (True, True): "bidi_stream",
}

# As Go prints them, which is what dashboards look for.
_CODES = {
    code: "OK" if code is grpc.StatusCode.OK else code.name.title().replace("_", "")
    for code in grpc.StatusCode
} | {grpc.StatusCode.CANCELLED: "Canceled"}


class CallMetrics(Around):
    """Measures the calls of methods that exist; stands behind whatever refuses callers."""

    def wrap(self, handler: Handler, method: str) -> Handler:
        """The handler with its calls counted."""
        asks, answers = bool(handler.request_streaming), bool(handler.response_streaming)
        meter = _Meter(_KINDS[asks, answers], method)
        return rebuilt(handler, (_stream if answers else _unary)(call_of(handler), meter))


class _Meter:
    """The metrics of one method."""

    def __init__(self, kind: str, method: str) -> None:
        service, _, name = method.lstrip("/").rpartition("/")
        labels = (kind, service, name)
        ok = HANDLED.labels(*labels, _CODES[grpc.StatusCode.OK])
        self._handled: dict[grpc.StatusCode, Counter] = {grpc.StatusCode.OK: ok}
        self._labels = labels
        self.started = STARTED.labels(*labels)
        self._seconds = HANDLING.labels(*labels)

    def ended(self, code: grpc.StatusCode, begun: float) -> None:
        """Count a call that began at `begun`."""
        handled = self._handled.get(code)
        if handled is None:
            handled = self._handled[code] = HANDLED.labels(*self._labels, _CODES[code])
        handled.inc()
        self._seconds.observe(time.perf_counter() - begun)


def _unary(call: Any, meter: _Meter) -> Any:
    async def measured(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
        meter.started.inc()
        begun = time.perf_counter()
        try:
            answer = await call(request, context)
        except BaseException as error:
            meter.ended(_code(error, context), begun)
            raise
        meter.ended(grpc.StatusCode.OK, begun)
        return answer

    return measured


def _stream(call: Any, meter: _Meter) -> Any:
    async def measured(
        request: Any, context: grpc.aio.ServicerContext[Any, Any]
    ) -> AsyncIterator[Any]:
        meter.started.inc()
        begun = time.perf_counter()
        try:
            async for response in call(request, context):
                yield response
        except BaseException as error:
            meter.ended(_code(error, context), begun)
            raise
        meter.ended(grpc.StatusCode.OK, begun)

    return measured


def _code(error: BaseException, context: Any) -> grpc.StatusCode:
    """The status of a call that raised; who gave up was told nothing, so it is inferred."""
    if isinstance(error, asyncio.CancelledError | GeneratorExit):
        left = context.time_remaining()
        if left is not None and left <= _SKEW:
            return grpc.StatusCode.DEADLINE_EXCEEDED
        return grpc.StatusCode.CANCELLED
    code = context.code()
    return code if isinstance(code, grpc.StatusCode) else grpc.StatusCode.UNKNOWN
