"""What a worker and the watch over the queues tell, against a real broker."""

from __future__ import annotations

import asyncio
import contextlib

from nats.aio.msg import Msg
from nats.js import JetStreamContext
from prometheus_client import REGISTRY

from services.runtime import queue_watch, streams
from services.runtime.streams import Publisher, StreamSpec
from services.runtime.worker import Handler, Worker
from stillhouse import tracing
from stillhouse.errors import Unavailable
from tests.support.broker import Broker

SPEC = StreamSpec("COUNTED", ("counted.*",), True, 50, 1 << 20, "counters", ack_wait=5.0)


def counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def outcomes() -> dict[str, float]:
    name = "stillhouse_messages_handled_total"
    kinds = ("done", "returned", "dead", "stopped")
    return {kind: counted(name, stream="COUNTED", outcome=kind) for kind in kinds}


async def lost(_message: Msg, _reason: str) -> None:
    """Where dead letters go here."""


def worker(js: JetStreamContext, handle: Handler) -> Worker:
    return Worker(
        js, stream="COUNTED", consumer="counters", handle=handle, dead=lost, max_deliveries=2
    )


async def work_until_empty(js: JetStreamContext, handle: Handler) -> None:
    running = asyncio.create_task(worker(js, handle).run())
    async with asyncio.timeout(60):
        while (await js.stream_info("COUNTED")).state.messages:
            await asyncio.sleep(0.05)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_how_messages_end(js: JetStreamContext) -> None:
    await streams.ensure(js, (SPEC,))
    publisher = Publisher(js)
    before = outcomes()
    again = counted("stillhouse_messages_redelivered_total", stream="COUNTED")
    held = counted("stillhouse_messages_held_total", stream="COUNTED")
    published = counted("stillhouse_messages_published_total", queue="counted")
    for payload in (b"good", b"second time", b"poison", b"waits"):
        await publisher.publish("counted.a", payload, payload.decode())
    seen: list[bytes] = []

    async def handle(payload: bytes) -> None:
        seen.append(payload)
        if payload == b"poison" or (payload == b"second time" and seen.count(payload) == 1):
            raise ValueError("no")
        if payload == b"waits" and seen.count(payload) == 1:
            raise Unavailable("not yet")

    await work_until_empty(js, handle)
    after = outcomes()
    assert {kind: after[kind] - before[kind] for kind in after} == {
        "done": 3, "returned": 2, "dead": 1, "stopped": 0,
    }  # fmt: skip
    assert counted("stillhouse_messages_redelivered_total", stream="COUNTED") - again == 2
    assert counted("stillhouse_messages_held_total", stream="COUNTED") - held == 1
    assert counted("stillhouse_messages_published_total", queue="counted") - published == 4
    assert counted("stillhouse_messages_under_way", stream="COUNTED") == 0


async def test_a_message_is_worked_on_in_the_trace_of_its_publisher(js: JetStreamContext) -> None:
    await streams.ensure(js, (SPEC,))
    publisher = Publisher(js)
    with tracing.span("publisher") as context:
        await publisher.publish("counted.a", b"traced", "one")
    await publisher.publish("counted.a", b"alone", "two")
    seen: dict[bytes, tracing.TraceContext | None] = {}

    async def handle(payload: bytes) -> None:
        seen[payload] = tracing.current()

    await work_until_empty(js, handle)
    assert seen == {b"traced": context, b"alone": None}


async def test_the_queues_and_a_broker_that_goes_and_comes_back(
    js: JetStreamContext, broker: Broker
) -> None:
    await streams.ensure(js, (SPEC,))
    for number in range(3):
        await Publisher(js).publish("counted.a", b"x" * 100, f"id{number}")
    subscription = await js.pull_subscribe_bind(consumer="counters", stream="COUNTED")
    await subscription.fetch(1, timeout=5)
    watching = asyncio.create_task(queue_watch.watch(js, (SPEC,), 0.05))
    labels = {"stream": "COUNTED", "consumer": "counters"}
    async with asyncio.timeout(30):
        while counted("stillhouse_queue_pending_messages", **labels) != 2:
            await asyncio.sleep(0.02)
    assert counted("stillhouse_queue_unacknowledged_messages", **labels) == 1
    assert counted("stillhouse_stream_messages", stream="COUNTED") == 3
    assert counted("stillhouse_stream_bytes", stream="COUNTED") > 300
    assert counted("stillhouse_stream_limit_bytes", stream="COUNTED") == 1 << 20
    # The broker sets no limit of its own.
    assert counted("stillhouse_broker_storage_limit_bytes", account="all") == 1 << 20
    assert 300 < counted("stillhouse_broker_storage_bytes") < 1 << 20
    assert counted("stillhouse_broker_up") == 1
    broker.kill()
    async with asyncio.timeout(30):
        while counted("stillhouse_broker_up") == 1:
            await asyncio.sleep(0.05)
    broker.start()
    async with asyncio.timeout(60):
        while counted("stillhouse_broker_up") == 0:
            await asyncio.sleep(0.05)
    assert not watching.done()
    watching.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await watching
