"""A collecting trainer as a process of its own, to be killed, and who answers its prompts.

Broker, collector and buffer are real; `answer` stands in for generators and filters.
"""

from __future__ import annotations

import argparse
import asyncio
import random
from pathlib import Path

from nats.errors import TimeoutError as NoMessage
from nats.js import JetStreamContext

from services.runtime import streams
from services.runtime.cancelling import raise_if_cancelled
from services.runtime.streams import Publisher
from services.topology import GENERATORS, PROMPTS, verdicts_subject
from services.trainer.buffer import TrainingBuffer
from services.trainer.collector import Collector, Work
from services.trainer.files import RunFolder
from services.trainer.prompts import Plan
from services.trainer.schedule import Schedule
from stillhouse.events.v1 import events_pb2
from stillhouse.filter.convert import candidate_to_proto, verdict_to_proto
from stillhouse.filter.types import Candidate, Cascade, Document, LayerConfig, Verdict
from stillhouse.generator.types import Decoding, ModelPointer, Prompt

BATCHES = 40
DOCUMENTS = [Document(f"d{number}", f"Document {number}.") for number in range(BATCHES)]
TARGET = 10_000  # never met
_WORDS = ["heap", "array", "parser", "reads", "keeps", "small"]


async def collect(
    js: JetStreamContext, folder: RunFolder, attempt: int, shard_rows: int = 12
) -> TrainingBuffer:
    """Collect generation 1 from wherever it stands; the caller finishes the buffer."""
    buffer = TrainingBuffer(folder, 1, threshold=0.6, layers=["brevity"], shard_rows=shard_rows)
    schedule = Schedule(batches=BATCHES, window=3, target=TARGET, accepted=buffer.accepted_by_batch)
    work = Work(
        generation=1,
        attempt=attempt,
        teacher=ModelPointer("nowhere", "ab" * 32),
        decoding=Decoding(4, 8),
        cascade=Cascade((LayerConfig("brevity"),)),
        plan=Plan(0, 1, BATCHES),
        documents=DOCUMENTS,
        prompt=lambda one: Prompt(one.id, one.text),
        constraints=lambda _: (),
        outline=lambda _: None,
    )
    await Collector(js, Publisher(js), folder).collect(work, schedule, buffer, lambda: None)
    return buffer


async def answer(js: JetStreamContext, run: str, seed: int, pause: float) -> None:
    """Judge each prompt batch, `pause` seconds each, until cancelled.

    Of all verdicts some are published twice, and some late: after those of later batches.
    The texts depend on the batch alone.
    """
    subscription = await js.pull_subscribe_bind(consumer=GENERATORS, stream=PROMPTS)
    rng = random.Random(seed)
    late: list[bytes] = []
    sent = 0
    while True:
        raise_if_cancelled()
        try:
            message = (await subscription.fetch(1, timeout=0.2))[0]
        except (NoMessage, TimeoutError):
            late, now = [], late
        else:
            verdicts = _judged(events_pb2.PromptBatch.FromString(message.data).key)
            await message.ack()
            await asyncio.sleep(pause)
            now = [verdicts] * rng.choice([1, 1, 2])
            if rng.random() < 0.3:
                late, now = [*late, *now], []
        for one in now:
            sent += 1
            identity = {"Nats-Msg-Id": f"{run}.{sent}"}
            await js.publish(verdicts_subject(run), one, headers=identity)


def _judged(key: events_pb2.BatchKey) -> bytes:
    rng = random.Random(key.batch)
    candidates = [
        Candidate(f"b{key.batch}c{n}", f"d{key.batch}", n, " ".join(rng.choices(_WORDS, k=4)))
        for n in range(4)
    ]
    verdicts = [
        Verdict(one.id, True)
        if rng.random() < 0.7
        else Verdict(one.id, False, "brevity", "brevity.too_long")
        for one in candidates
    ]
    batch = events_pb2.VerdictBatch(key=key, model_digest="ab" * 32)
    batch.candidates.extend(map(candidate_to_proto, candidates))
    batch.verdicts.extend(map(verdict_to_proto, verdicts))
    return batch.SerializeToString()


async def _main(url: str, folder: Path, attempt: int) -> None:
    client = await streams.connect(url, "collecting")
    run = RunFolder(folder)
    buffer = await collect(client.jetstream(), run, attempt)
    buffer.finish({one.id: one.text for one in DOCUMENTS})
    await client.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("folder", type=Path)
    parser.add_argument("attempt", type=int)
    given = parser.parse_args()
    asyncio.run(_main(given.url, given.folder, given.attempt))
