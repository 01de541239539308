"""The training buffer over a real broker: killed, cancelled, with messages delivered twice."""

from __future__ import annotations

import asyncio
import contextlib
import random
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from nats.js import JetStreamContext

from services import topology
from services.runtime import streams
from services.trainer.files import RunFolder, read_json, read_table
from stillhouse.errors import FailedPrecondition
from stillhouse.events.v1 import events_pb2
from tests.support.broker import Broker
from tests.support.collecting import BATCHES, DOCUMENTS, answer, collect

pytestmark = pytest.mark.timeout(90)

Rows = list[dict[str, Any]]


@asynccontextmanager
async def answering(js: JetStreamContext, run: str, pause: float = 0.0) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as group:
        task = group.create_task(answer(js, run, 1, pause))
        yield
        task.cancel()


def rows(folder: RunFolder) -> Rows:
    """The verdicts without what tells runs apart."""
    return [row | {"run": ""} for row in read_table(folder.verdicts(1)).to_pylist()]


async def calm(js: JetStreamContext, folder: RunFolder) -> Rows:
    """What a run that nothing disturbs collects."""
    async with answering(js, folder.id):
        buffer = await collect(js, folder, 0)
    buffer.finish({one.id: one.text for one in DOCUMENTS})
    found = rows(folder)
    assert [row["batch"] for row in found] == sorted([*range(BATCHES)] * 4)
    return found


async def checkpoints(folder: RunFolder, count: int) -> int:
    """Wait until so many shards are checkpointed; returns the position in the stream."""
    path = folder.buffer(1) / "checkpoint.json"
    while True:
        if path.exists():
            saved = read_json(path)
            if saved["shards"] >= count:
                return int(saved["stream_sequence"])
        await asyncio.sleep(0.01)


async def cancelled(js: JetStreamContext, folder: RunFolder, shards: int) -> int:
    """Collect until so many shards are checkpointed, and be cancelled; the position then."""
    collecting = asyncio.create_task(collect(js, folder, 0))
    await checkpoints(folder, shards)
    collecting.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await collecting
    return await checkpoints(folder, shards)


async def test_killed_again_and_again_it_loses_and_doubles_nothing(
    js: JetStreamContext, broker: Broker, tmp_path: Path
) -> None:
    await topology.ensure(js, ack_wait=2.0)
    wanted = await calm(js, RunFolder(tmp_path / "calm"))
    folder = RunFolder(tmp_path / "killed")
    rng = random.Random(2)
    async with answering(js, folder.id, pause=0.02):
        for attempt, shards in enumerate((1, 4, 8)):
            process = await _process(broker.url, folder.path, attempt)
            await checkpoints(folder, shards)
            await asyncio.sleep(rng.uniform(0, 0.2))
            process.kill()
            assert await process.wait() == -9
            assert not folder.verdicts(1).exists()
        process = await _process(broker.url, folder.path, 3)
        assert await process.wait() == 0
    assert rows(folder) == wanted


async def test_cancelled_it_goes_on_behind_its_position_in_the_stream(
    js: JetStreamContext, tmp_path: Path
) -> None:
    """A cancelled run's consumer is deleted, as the trainer does."""
    await topology.ensure(js, ack_wait=2.0)
    wanted = await calm(js, RunFolder(tmp_path / "calm"))
    folder = RunFolder(tmp_path / "cancelled")
    async with answering(js, folder.id, pause=0.01):
        position = await cancelled(js, folder, 5)
        assert position > 0
        await js.delete_consumer(topology.VERDICTS, f"trainer-{folder.id}")
        buffer = await collect(js, folder, 1)
        info = await js.consumer_info(topology.VERDICTS, f"trainer-{folder.id}")
        assert info.config.opt_start_seq == position + 1
    buffer.finish({one.id: one.text for one in DOCUMENTS})
    assert rows(folder) == wanted


async def test_on_a_broker_made_anew_it_begins_with_its_first_verdict(
    js: JetStreamContext, tmp_path: Path
) -> None:
    """Every local command has a broker of its own, and queues are not in backups."""
    await topology.ensure(js, ack_wait=2.0)
    folder = RunFolder(tmp_path / "moved")
    async with answering(js, folder.id, pause=0.01):
        position = await cancelled(js, folder, 5)
    other = Broker(tmp_path / "made-anew")
    other.start()
    client = await streams.connect(other.url, "test")
    try:
        there = client.jetstream()
        await topology.ensure(there, ack_wait=2.0)
        async with answering(there, folder.id, pause=0.01):
            collecting = asyncio.create_task(collect(there, folder, 1))
            while int(read_json(folder.buffer(1) / "checkpoint.json")["stream_sequence"]) in (
                position,
                0,
            ):
                await asyncio.sleep(0.01)
            assert await checkpoints(folder, 6) < position  # its own numbers, not the old ones
            buffer = await collecting
        buffer.finish({one.id: one.text for one in DOCUMENTS})
        wanted = await calm(there, RunFolder(tmp_path / "calm"))
    finally:
        await client.close()
        other.kill()
    assert rows(folder) == wanted


async def test_a_broker_that_is_away_for_a_while_is_no_dead_letter(
    js: JetStreamContext, broker: Broker, tmp_path: Path
) -> None:
    await topology.ensure(js, ack_wait=2.0)
    wanted = await calm(js, RunFolder(tmp_path / "calm"))
    folder = RunFolder(tmp_path / "waiting")
    collecting = asyncio.create_task(collect(js, folder, 0))
    while not (await js.stream_info(topology.PROMPTS)).state.messages:
        await asyncio.sleep(0.05)
    broker.kill()
    await asyncio.sleep(8)  # longer than a question to the broker may take
    assert not collecting.done()
    broker.start()
    async with answering(js, folder.id):
        buffer = await collecting
    buffer.finish({one.id: one.text for one in DOCUMENTS})
    assert rows(folder) == wanted


async def test_a_dead_letter_ends_the_collecting_with_its_reason(
    js: JetStreamContext, tmp_path: Path
) -> None:
    await topology.ensure(js, ack_wait=2.0)
    folder = RunFolder(tmp_path / "dead")
    subject = topology.dead_subject(folder.id)
    letter = events_pb2.DeadLetter(stream=topology.PROMPTS, reason="of before")
    await js.publish(subject, letter.SerializeToString())
    collecting = asyncio.create_task(collect(js, folder, 0))
    await asyncio.sleep(3)
    assert not collecting.done()  # an earlier attempt's letter
    letter.reason = "no such model"
    await js.publish(subject, letter.SerializeToString())
    with pytest.raises(FailedPrecondition, match=r"PROMPTS could not be worked on: no such model"):
        await collecting


async def test_without_a_checkpoint_it_goes_on_from_the_files_of_its_batches(
    js: JetStreamContext, tmp_path: Path
) -> None:
    """Many more of them than are under way at once."""
    await topology.ensure(js, ack_wait=2.0)
    wanted = await calm(js, RunFolder(tmp_path / "calm"))
    folder = RunFolder(tmp_path / "cancelled")
    async with answering(js, folder.id):
        collecting = asyncio.create_task(collect(js, folder, 0, shard_rows=10_000))
        while not folder.part(1, 15).exists():
            await asyncio.sleep(0.01)
        collecting.cancel()
        await asyncio.gather(collecting, return_exceptions=True)
        assert not folder.buffer(1).exists()
        buffer = await collect(js, folder, 1, shard_rows=10_000)
    buffer.finish({one.id: one.text for one in DOCUMENTS})
    assert rows(folder) == wanted


async def test_the_broker_keeps_no_verdicts_that_are_in_a_checkpoint(
    js: JetStreamContext, tmp_path: Path
) -> None:
    """Else the stream would fill up, and filters would wait for room for ever."""
    await topology.ensure(js, ack_wait=2.0)
    subject = topology.verdicts_subject("another")
    await js.publish(subject, b"of another run")
    await calm(js, RunFolder(tmp_path / "calm"))
    state = (await js.stream_info(topology.VERDICTS, subjects_filter="verdicts.*")).state
    assert state.subjects is not None
    assert state.subjects[subject] == 1
    assert state.subjects.get("verdicts.calm", 0) < BATCHES / 2


async def _process(url: str, folder: Path, attempt: int) -> asyncio.subprocess.Process:
    command = [sys.executable, "-m", "tests.support.collecting", url, str(folder), str(attempt)]
    return await asyncio.create_subprocess_exec(*command)
