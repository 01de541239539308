"""JetStream: connecting, making streams without drift, publishing without loss."""

from __future__ import annotations

import asyncio
import logging
import random
from dataclasses import dataclass

import nats
import nats.errors
from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    DeliverPolicy,
    DiscardPolicy,
    RetentionPolicy,
    StreamConfig,
)
from nats.js.errors import APIError, NotFoundError

from services.runtime.queue_metrics import PUBLISHED, WAITS
from stillhouse import tracing
from stillhouse.errors import FailedPrecondition, Unavailable

log = logging.getLogger(__name__)

_STREAM_FULL = (10077, 10047, 10023)  # maximum messages, bytes; insufficient resources


@dataclass(frozen=True, slots=True)
class StreamSpec:
    """A stream as it must be, and its shared durable consumer if it has one."""

    name: str
    subjects: tuple[str, ...]
    work_queue: bool
    max_messages: int
    max_bytes: int
    consumer: str = ""
    ack_wait: float = 30.0
    max_ack_pending: int = 1000
    replicas: int = 1

    def stream_config(self) -> StreamConfig:
        """The configuration that the broker is asked for."""
        return StreamConfig(
            name=self.name,
            subjects=list(self.subjects),
            retention=RetentionPolicy.WORK_QUEUE if self.work_queue else RetentionPolicy.LIMITS,
            discard=DiscardPolicy.NEW,
            max_msgs=self.max_messages,
            max_bytes=self.max_bytes,
            num_replicas=self.replicas,
        )

    def consumer_config(self) -> ConsumerConfig:
        """The configuration of the shared consumer; deliveries are counted by `Worker`."""
        return ConsumerConfig(
            durable_name=self.consumer,
            deliver_policy=DeliverPolicy.ALL,
            ack_policy=AckPolicy.EXPLICIT,
            ack_wait=self.ack_wait,
            max_deliver=-1,
            max_ack_pending=self.max_ack_pending,
        )


async def connect(url: str, name: str, patience: float = 10.0) -> Client:
    """A client that never stops reconnecting.

    Unavailable if there is no connection within the first `patience` seconds.
    """

    reason = f"no answer in {patience:g} s"

    async def report(error: Exception) -> None:
        nonlocal reason
        reason = str(error) or type(error).__name__
        log.warning("broker: %s", reason)

    try:
        connecting = nats.connect(
            url,
            name=name,
            max_reconnect_attempts=-1,
            reconnect_time_wait=0.5,
            ping_interval=20,
            connect_timeout=5,
            error_cb=report,
        )
        return await asyncio.wait_for(connecting, patience)
    except (OSError, nats.errors.Error, TimeoutError) as error:
        reason = str(error) or reason
        raise Unavailable(f"no broker at {url}: {reason}; start nats-server there") from None


async def ensure(js: JetStreamContext, specs: tuple[StreamSpec, ...]) -> None:
    """Make the streams and consumers that are missing; refuse those that differ."""
    for spec in specs:
        await _ensure_stream(js, spec)
        if spec.consumer:
            await _ensure_consumer(js, spec)


async def _ensure_stream(js: JetStreamContext, spec: StreamSpec) -> None:
    wanted = spec.stream_config()
    try:
        present = (await js.stream_info(spec.name)).config
    except NotFoundError:
        await js.add_stream(wanted)
        return
    _refuse_drift(
        f"stream {spec.name}", wanted, present,
        ("subjects", "retention", "discard", "max_msgs", "max_bytes", "num_replicas"),
    )  # fmt: skip


async def _ensure_consumer(js: JetStreamContext, spec: StreamSpec) -> None:
    wanted = spec.consumer_config()
    try:
        present = (await js.consumer_info(spec.name, spec.consumer)).config
    except NotFoundError:
        await js.add_consumer(spec.name, wanted)
        return
    _refuse_drift(
        f"consumer {spec.consumer} of {spec.name}", wanted, present,
        ("ack_policy", "ack_wait", "max_deliver", "max_ack_pending"),
    )  # fmt: skip


def _refuse_drift(what: str, wanted: object, present: object, fields: tuple[str, ...]) -> None:
    for field in fields:
        want, have = getattr(wanted, field), getattr(present, field)
        if want != have:
            raise FailedPrecondition(
                f"{what} exists with {field} = {have}, this version needs {want}; "
                "delete it when it is empty, or change it with the nats command"
            )


class Publisher:
    """Stores messages in streams, at most `window` at a time, retrying until stored.

    A message id makes a repeated publication harmless. A full stream slows the
    caller down; a broker that is away is waited for.
    """

    def __init__(self, js: JetStreamContext, window: int = 256, timeout: float = 5.0) -> None:
        self._js = js
        self._slots = asyncio.Semaphore(window)
        self._timeout = timeout

    async def publish(self, subject: str, payload: bytes, message_id: str) -> None:
        """Return once the broker has stored the message."""
        delay = 0.05
        async with self._slots:
            while True:
                try:
                    await self._js.publish(
                        subject,
                        payload,
                        timeout=self._timeout,
                        headers={"Nats-Msg-Id": message_id, **dict(tracing.metadata())},
                    )
                    PUBLISHED.labels(subject.partition(".")[0]).inc()
                    return
                except APIError as error:
                    if error.err_code not in _STREAM_FULL and error.code != 503:
                        raise
                    WAITS.labels("full").inc()
                    log.info("stream full, waiting", extra={"subject": subject})
                except (nats.errors.Error, TimeoutError, OSError) as error:
                    if isinstance(error, nats.errors.MaxPayloadError):
                        raise
                    WAITS.labels("broker").inc()
                    log.warning("publishing again: %r", error, extra={"subject": subject})
                await asyncio.sleep(delay * random.uniform(0.5, 1.0))
                delay = min(delay * 2, 2.0)
