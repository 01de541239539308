"""Calls to all shards at once: every answer, or one error that names a shard."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, Protocol

import grpc

from services.index.engine import Stop
from services.index.limits import TooLarge, is_too_large
from services.index.metrics import SHARD_FAILURES, SHARD_SECONDS
from stillhouse import tracing
from stillhouse.errors import (
    DeadlineExceeded,
    InvalidArgument,
    ResourceExhausted,
    StillhouseError,
    Unavailable,
)
from stillhouse.transport import from_rpc_error

_PATIENCE = 600.0  # seconds a call may take whose caller set no deadline
_LOOK = 0.02  # seconds between two looks at whether the caller has gone


class Call(Protocol):
    """A call under way."""

    def result(self) -> Any:
        """The answer, once there is one; grpc.RpcError if it is none."""

    def cancel(self) -> object:
        """End it; nothing if it has ended."""

    def add_done_callback(self, done: Callable[[Any], None], /) -> object:
        """Call `done` when it has ended, at once if it has."""


@dataclass(frozen=True, slots=True)
class Shard:
    """A shard as it was when the set was opened; its index is named with its digest.

    `first_token` and `first_document` are the numbers of its first in the whole.
    """

    name: str
    index: str
    stub: Any
    metadata: tuple[tuple[str, str], ...]
    tokens: int
    documents: int
    first_token: int
    first_document: int

    def begin(self, rpc: str, request: Any, timeout: float | None) -> Call:
        """Send a request on its way; it is read at once and may be used again."""
        request.index = self.index
        method: Callable[..., Call] = getattr(self.stub, rpc).future
        metadata = (*self.metadata, *tracing.metadata())
        return method(request, timeout=timeout or _PATIENCE, metadata=metadata)


def ask_all(shards: Sequence[Shard], rpc: str, request: Any, stop: Stop) -> list[Any]:
    """The answer of each shard to the same request; errors as `ask`."""
    return ask([(shard, request) for shard in shards], rpc, stop)


def ask(asked: Sequence[tuple[Shard, Any]], rpc: str, stop: Stop) -> list[Any]:
    """The answers to all requests, in order.

    Raises Unavailable naming a shard that gives none, ResourceExhausted if it is at its
    limit, TooLarge if its answer doesn't fit into a message, and DeadlineExceeded where
    `stop` or the shard ends the call; the others are cancelled then.
    """
    left = stop.remaining()
    if left is not None and left <= 0:
        raise _too_late()
    done: SimpleQueue[tuple[int, Call]] = SimpleQueue()
    begun = time.perf_counter()
    calls = [shard.begin(rpc, request, left) for shard, request in asked]
    try:
        for number, call in enumerate(calls):
            call.add_done_callback(partial(_put, done, number))
        answers: list[Any] = [None] * len(calls)
        for _ in calls:
            number, call = _next(done, stop)
            shard = asked[number][0].name
            try:
                answers[number] = call.result()
            except (grpc.RpcError, grpc.FutureCancelledError) as error:
                named = _named(shard, error)
                SHARD_FAILURES.labels(shard, type(named).__name__).inc()
                raise named from None
            SHARD_SECONDS.labels(shard).observe(time.perf_counter() - begun)
        return answers
    finally:
        for call in calls:
            call.cancel()


def _put(done: SimpleQueue[tuple[int, Call]], number: int, call: Call) -> None:
    done.put((number, call))


def _next(done: SimpleQueue[tuple[int, Call]], stop: Stop) -> tuple[int, Call]:
    while True:
        try:
            return done.get(timeout=_LOOK)
        except Empty:
            if stop.stopped:
                raise _too_late() from None


def _too_late() -> DeadlineExceeded:
    return DeadlineExceeded("the caller's deadline passed while the shards were asked")


def _named(shard: str, error: Exception) -> StillhouseError:
    if not isinstance(error, grpc.RpcError):
        return Unavailable(f"shard {shard}: the call was cancelled")
    found = from_rpc_error(error)
    message = f"shard {shard}: {found}"
    if isinstance(found, DeadlineExceeded):
        return DeadlineExceeded(message)
    if isinstance(found, ResourceExhausted):
        return ResourceExhausted(message, found.retry_after)
    if isinstance(found, InvalidArgument) and is_too_large(found):
        return TooLarge(found.field, found.reason)
    # Whatever else a shard refuses, the caller did nothing wrong: its query was checked.
    return Unavailable(message)
