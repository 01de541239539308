"""Streams, publisher and worker against a real broker, kill -9 included."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from nats.aio.msg import Msg
from nats.js import JetStreamContext

from services import topology
from services.runtime import streams
from services.runtime.streams import Publisher, StreamSpec
from services.runtime.worker import Handler, Worker
from stillhouse.errors import FailedPrecondition, Unavailable
from tests.support.broker import Broker

SPEC = StreamSpec("WORK", ("work.*",), True, 5, 1 << 20, "workers", ack_wait=1.0)


async def test_the_topology_is_made_once_and_found_again(js: JetStreamContext) -> None:
    await topology.ensure(js, ack_wait=5.0)
    await topology.ensure(js, ack_wait=5.0)
    names = {info.config.name for info in await js.streams_info()}
    assert {"PROMPTS", "CANDIDATES", "VERDICTS", "DEAD"} <= names


async def test_a_consumer_that_differs_is_refused_by_name(js: JetStreamContext) -> None:
    await topology.ensure(js, ack_wait=5.0)
    with pytest.raises(FailedPrecondition, match=r"consumer generators of PROMPTS.*ack_wait"):
        await topology.ensure(js, ack_wait=6.0)


async def test_a_stream_that_differs_is_refused_by_name(js: JetStreamContext) -> None:
    await streams.ensure(js, (SPEC,))
    with pytest.raises(FailedPrecondition, match=r"stream WORK.*max_msgs"):
        await streams.ensure(js, (replace(SPEC, max_messages=6),))


async def test_no_broker_is_one_clear_error() -> None:
    with pytest.raises(Unavailable, match=r"no broker at nats://127\.0\.0\.1:1"):
        await streams.connect("nats://127.0.0.1:1", "test", patience=1)


async def test_a_full_stream_slows_the_publisher_down_and_loses_nothing(
    js: JetStreamContext,
) -> None:
    await streams.ensure(js, (SPEC,))
    publisher = Publisher(js)
    everything = asyncio.gather(
        *(publisher.publish("work.a", b"%d" % n, f"id{n}") for n in range(8))
    )
    await asyncio.sleep(0.5)
    assert not everything.done()
    subscription = await js.pull_subscribe_bind(consumer="workers", stream="WORK")
    seen: set[bytes] = set()
    while len(seen) < 8:
        for message in await subscription.fetch(5, timeout=5):
            seen.add(message.data)
            await message.ack()
    await everything
    assert seen == {b"%d" % n for n in range(8)}


async def test_the_same_message_id_is_stored_once(js: JetStreamContext) -> None:
    await streams.ensure(js, (SPEC,))
    publisher = Publisher(js)
    await publisher.publish("work.a", b"x", "same")
    await publisher.publish("work.a", b"x", "same")
    assert (await js.stream_info("WORK")).state.messages == 1


async def test_a_publisher_waits_for_a_broker_that_was_killed(
    js: JetStreamContext, broker: Broker
) -> None:
    await streams.ensure(js, (SPEC,))
    publisher = Publisher(js, timeout=0.5)
    broker.kill()
    waiting = asyncio.ensure_future(publisher.publish("work.a", b"x", "id"))
    await asyncio.sleep(1)
    assert not waiting.done()
    broker.start()
    await asyncio.wait_for(waiting, 20)
    assert (await js.stream_info("WORK")).state.messages == 1


class Box:
    """Keeps dead letters in memory; what is tested is when they are written."""

    def __init__(self) -> None:
        self.letters: list[tuple[bytes, str]] = []

    async def __call__(self, message: Msg, reason: str) -> None:
        self.letters.append((message.data, reason))


def worker(js: JetStreamContext, handle: Handler, box: Box, deliveries: int = 3) -> Worker:
    return Worker(
        js, stream="WORK", consumer="workers", handle=handle, dead=box,
        ack_wait=SPEC.ack_wait, max_deliveries=deliveries,
    )  # fmt: skip


async def until_empty(js: JetStreamContext, running: asyncio.Task[None]) -> None:
    async with asyncio.timeout(30):
        while (await js.stream_info("WORK")).state.messages:
            if running.done():
                running.result()
            await asyncio.sleep(0.05)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_work_that_outlasts_ack_wait_is_delivered_once(js: JetStreamContext) -> None:
    await streams.ensure(js, (SPEC,))
    await Publisher(js).publish("work.a", b"slow", "id")
    calls: list[bytes] = []

    async def handle(payload: bytes) -> None:
        calls.append(payload)
        await asyncio.sleep(2.5 * SPEC.ack_wait)

    await until_empty(js, asyncio.create_task(worker(js, handle, Box()).run()))
    assert calls == [b"slow"]


async def test_a_dependency_that_is_away_holds_the_message(js: JetStreamContext) -> None:
    await streams.ensure(js, (SPEC,))
    await Publisher(js).publish("work.a", b"x", "id")
    calls = 0

    async def handle(_: bytes) -> None:
        nonlocal calls
        calls += 1
        if calls < 6:
            raise Unavailable("the critic is loading")

    box = Box()
    await until_empty(js, asyncio.create_task(worker(js, handle, box).run()))
    assert calls == 6
    assert box.letters == []


async def test_a_poisonous_message_goes_to_the_dead_letters(js: JetStreamContext) -> None:
    await streams.ensure(js, (SPEC,))
    publisher = Publisher(js)
    await publisher.publish("work.a", b"poison", "id1")
    await publisher.publish("work.a", b"good", "id2")
    done: list[bytes] = []

    async def handle(payload: bytes) -> None:
        if payload == b"poison":
            raise ValueError("cannot be read")
        done.append(payload)

    box = Box()
    await until_empty(js, asyncio.create_task(worker(js, handle, box).run()))
    assert done == [b"good"]
    assert box.letters == [(b"poison", "ValueError: cannot be read")]


async def test_a_cancelled_worker_gives_its_message_back_at_once(js: JetStreamContext) -> None:
    await streams.ensure(js, (replace(SPEC, ack_wait=60.0),))
    await Publisher(js).publish("work.a", b"x", "id")
    started = asyncio.Event()

    async def hang(_: bytes) -> None:
        started.set()
        await asyncio.Event().wait()

    first = asyncio.create_task(worker(js, hang, Box()).run())
    await asyncio.wait_for(started.wait(), 5)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    done: list[bytes] = []

    async def handle(payload: bytes) -> None:
        done.append(payload)

    await until_empty(js, asyncio.create_task(worker(js, handle, Box()).run()))
    assert done == [b"x"]
