"""What the broker says of its queues; one process of all asks it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

import nats.errors
from nats.js import JetStreamContext
from nats.js.errors import APIError
from prometheus_client import Gauge

from services.runtime.streams import StreamSpec

log = logging.getLogger(__name__)

PENDING = Gauge(
    "stillhouse_queue_pending_messages", "Messages that no worker has been given yet.",
    ["stream", "consumer"],
)  # fmt: skip
UNACKNOWLEDGED = Gauge(
    "stillhouse_queue_unacknowledged_messages", "Messages given to workers and not done.",
    ["stream", "consumer"],
)  # fmt: skip
MESSAGES = Gauge("stillhouse_stream_messages", "Messages in a stream.", ["stream"])
BYTES = Gauge("stillhouse_stream_bytes", "Bytes of a stream on disk.", ["stream"])
LIMIT = Gauge("stillhouse_stream_limit_bytes", "Bytes at which a stream is full.", ["stream"])
STORAGE = Gauge("stillhouse_broker_storage_bytes", "Bytes that all streams have on disk.")
STORAGE_LIMIT = Gauge(
    "stillhouse_broker_storage_limit_bytes",
    "Bytes that they may have: the account's limit, or without one those of all streams.",
    ["account"],
)  # fmt: skip
BROKER = Gauge("stillhouse_broker_up", "1 if the broker answered when it was asked last.")


async def watch(js: JetStreamContext, specs: Sequence[StreamSpec], seconds: float = 5.0) -> None:
    """Ask the broker again and again, until cancelled; one process of all does."""
    while True:
        try:
            await _look(js, specs)
            BROKER.set(1)
        except (nats.errors.Error, APIError, TimeoutError, OSError) as error:
            BROKER.set(0)
            log.info("queues not known: %r", error)
        await asyncio.sleep(seconds)


async def _look(js: JetStreamContext, specs: Sequence[StreamSpec]) -> None:
    reserved = 0
    for spec in specs:
        info = await js.stream_info(spec.name)
        reserved += spec.max_bytes * (info.config.num_replicas or 1)  # each replica counts
        MESSAGES.labels(spec.name).set(info.state.messages)
        BYTES.labels(spec.name).set(info.state.bytes)
        LIMIT.labels(spec.name).set(spec.max_bytes)
        if spec.consumer:
            consumer = await js.consumer_info(spec.name, spec.consumer)
            PENDING.labels(spec.name, spec.consumer).set(consumer.num_pending or 0)
            UNACKNOWLEDGED.labels(spec.name, spec.consumer).set(consumer.num_ack_pending or 0)
    account = await js.account_info()
    STORAGE.set(account.storage)
    limit = account.limits.max_storage or 0  # -1 is none
    STORAGE_LIMIT.labels("all").set(limit if limit > 0 else reserved)
