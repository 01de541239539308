"""A worker on a stream: takes as much as it has room for, acknowledges what is done."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable

import nats.errors
from nats.aio.msg import Msg
from nats.js import JetStreamContext

from services.runtime import logs
from services.runtime.cancelling import raise_if_cancelled
from services.runtime.queue_metrics import (
    HANDLED,
    HANDLING,
    HELD,
    OUTCOMES,
    REDELIVERED,
    UNDER_WAY,
)
from stillhouse import tracing
from stillhouse.errors import ResourceExhausted, Unavailable
from stillhouse.tracing import TraceContext

log = logging.getLogger(__name__)

Handler = Callable[[bytes], Awaitable[None]]
DeadLetters = Callable[[Msg, str], Awaitable[None]]


class Worker:
    """Pulls messages of a durable consumer and hands them to `handle`.

    A message is acknowledged when `handle` returns; until then the broker is
    told every third of `ack_wait` seconds that work goes on. `Unavailable` and
    `ResourceExhausted` hold the message and try again; any other error gives it
    back, and after `max_deliveries` it goes to `dead` with the reason.
    """

    def __init__(
        self,
        js: JetStreamContext,
        *,
        stream: str,
        consumer: str,
        handle: Handler,
        dead: DeadLetters,
        slots: int = 1,
        ack_wait: float = 30.0,
        max_deliveries: int = 5,
    ) -> None:
        self._js = js
        self._stream = stream
        self._consumer = consumer
        self._handle = handle
        self._dead = dead
        self._slots = asyncio.Semaphore(slots)
        self._ack_wait = ack_wait
        self._max_deliveries = max_deliveries
        # All begin at 0, so that the first of a kind is seen as an increase.
        for outcome in OUTCOMES:
            HANDLED.labels(stream, outcome)
        for counter in (REDELIVERED, HELD):
            counter.labels(stream)

    async def run(self) -> None:
        """Work until cancelled; messages under way are given back then."""
        subscription = await self._js.pull_subscribe_bind(
            consumer=self._consumer, stream=self._stream
        )
        async with asyncio.TaskGroup() as tasks:
            while True:
                await self._slots.acquire()
                message = await self._next(subscription)
                tasks.create_task(self._traced(message))

    async def _next(self, subscription: JetStreamContext.PullSubscription) -> Msg:
        while True:
            raise_if_cancelled()
            try:
                return (await subscription.fetch(1, timeout=5))[0]
            except (nats.errors.TimeoutError, TimeoutError):
                continue
            except (nats.errors.Error, OSError) as error:
                log.warning("fetching again: %r", error, extra={"stream": self._stream})
                await asyncio.sleep(0.5)

    async def _traced(self, message: Msg) -> None:
        """Process a message in the trace it belongs to, which lines of the log show."""
        headers = message.headers or {}
        above = TraceContext.parse(headers.get(tracing.HEADER, ""))
        with contextlib.ExitStack() as stack:
            stack.enter_context(logs.bound(message_id=headers.get("Nats-Msg-Id", "")))
            if above is not None:
                span = tracing.span(f"{self._stream} message", "consumer", above)
                stack.enter_context(span)
            await self._process(message)

    async def _process(self, message: Msg) -> None:
        heartbeat = asyncio.create_task(self._beat(message))
        begun = time.perf_counter()
        UNDER_WAY.labels(self._stream).inc()
        if message.metadata.num_delivered > 1:
            REDELIVERED.labels(self._stream).inc()
        try:
            if message.metadata.num_delivered > self._max_deliveries:
                await self._give_up(message, "its worker died at every delivery")
                return
            await self._attempt(message)
            self._ended("done")
        except asyncio.CancelledError:
            self._ended("stopped")
            with contextlib.suppress(Exception):
                await message.nak()
            raise
        except Exception as error:
            log.exception("message failed", extra={"subject": message.subject})
            if message.metadata.num_delivered >= self._max_deliveries:
                await self._give_up(message, f"{type(error).__name__}: {error}")
            else:
                self._ended("returned")
                await message.nak(delay=1.0)
        finally:
            heartbeat.cancel()
            HANDLING.labels(self._stream).observe(time.perf_counter() - begun)
            UNDER_WAY.labels(self._stream).dec()
            self._slots.release()

    def _ended(self, outcome: str) -> None:
        HANDLED.labels(self._stream, outcome).inc()

    async def _attempt(self, message: Msg) -> None:
        delay = 0.1
        while True:
            try:
                await self._handle(message.data)
                await message.ack()
                return
            except (Unavailable, ResourceExhausted) as error:
                HELD.labels(self._stream).inc()
                log.warning("holding a message: %s", error, extra={"subject": message.subject})
                if isinstance(error, ResourceExhausted):
                    delay = max(delay, error.retry_after)
            await asyncio.sleep(delay)
            delay = min(delay * 2, 5.0)

    async def _give_up(self, message: Msg, reason: str) -> None:
        await self._dead(message, reason)  # first, since term() removes the original
        self._ended("dead")
        await message.term()

    async def _beat(self, message: Msg) -> None:
        while True:
            await asyncio.sleep(self._ack_wait / 3)
            with contextlib.suppress(nats.errors.Error):
                await message.in_progress()
