"""The streams between the services and the buckets beside them.

`python -m services.topology` makes them, or refuses those that differ; it runs
before any service starts.
"""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace

from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import KeyValueConfig
from pydantic import Field

from services.runtime import logs, streams
from services.runtime.settings import ServiceSettings
from services.runtime.streams import Publisher, StreamSpec
from stillhouse.errors import StillhouseError
from stillhouse.events.v1 import events_pb2

PROMPTS = "PROMPTS"
CANDIDATES = "CANDIDATES"
VERDICTS = "VERDICTS"
DEAD = "DEAD"
GENERATORS = "generators"
FILTERS = "filters"
MODELS_BUCKET = "models"

_MIB = 1024 * 1024


class QueueSettings(ServiceSettings):
    """Settings of whoever uses the queues."""

    ack_wait: float = Field(
        default=30.0,
        gt=0,
        description="Seconds without a sign of life after which a message is delivered again.",
    )


class TopologySettings(QueueSettings):
    """Settings of the bootstrap step."""

    stream_replicas: int = Field(
        default=1, ge=1, le=5, description="Brokers that hold each stream; 3 where there are three."
    )


def stream_specs(ack_wait: float, replicas: int = 1) -> tuple[StreamSpec, ...]:
    """Every stream with its shared consumer."""
    specs = (
        StreamSpec(PROMPTS, ("prompts.*",), True, 10_000, 512 * _MIB, GENERATORS, ack_wait),
        StreamSpec(CANDIDATES, ("candidates.*",), True, 1_000, 512 * _MIB, FILTERS, ack_wait),
        StreamSpec(VERDICTS, ("verdicts.*",), False, 1_000_000, 4096 * _MIB),
        StreamSpec(DEAD, ("dead.*",), False, 100_000, 512 * _MIB),
    )
    return tuple(replace(spec, replicas=replicas) for spec in specs)


def prompts_subject(run_id: str) -> str:
    """Where a run's prompt batches go."""
    return f"prompts.{run_id}"


def candidates_subject(run_id: str) -> str:
    """Where a run's candidate batches go."""
    return f"candidates.{run_id}"


def verdicts_subject(run_id: str) -> str:
    """Where a run's verdict batches go."""
    return f"verdicts.{run_id}"


def dead_subject(run_id: str) -> str:
    """Where a run's dead letters go."""
    return f"dead.{run_id}"


def message_id(key: events_pb2.BatchKey) -> str:
    """The Nats-Msg-Id of a batch: the same for a repeated publication, and only for that."""
    return f"{key.run_id}.{key.generation}.{key.batch}.{key.attempt}"


class DeadLetterBox:
    """Keeps the messages that were given up, under the run they belong to."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher

    async def __call__(self, message: Msg, reason: str) -> None:
        """Store `message` in DEAD with the reason."""
        metadata = message.metadata
        letter = events_pb2.DeadLetter(
            stream=metadata.stream,
            subject=message.subject,
            reason=reason,
            payload=message.data,
        )
        run_id = message.subject.rpartition(".")[2]
        identity = f"{metadata.stream}.{metadata.sequence.stream}"
        await self._publisher.publish(dead_subject(run_id), letter.SerializeToString(), identity)


async def ensure(js: JetStreamContext, ack_wait: float, replicas: int = 1) -> None:
    """Make what is missing; FailedPrecondition names what differs."""
    await streams.ensure(js, stream_specs(ack_wait, replicas))
    await js.create_key_value(KeyValueConfig(bucket=MODELS_BUCKET, history=8, replicas=replicas))


async def _main() -> None:
    settings = TopologySettings.from_environment()
    logs.configure(settings.log_level, settings.log_format)
    client = await streams.connect(settings.nats_url, "topology")
    try:
        await ensure(client.jetstream(), settings.ack_wait, settings.stream_replicas)
    finally:
        await client.close()


if __name__ == "__main__":
    try:
        asyncio.run(_main())
    except StillhouseError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None
