"""Collecting one generation: prompt batches out, verdict batches in, the buffer filled."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import nats.errors
from nats.js import JetStreamContext
from nats.js.api import ConsumerConfig, DeliverPolicy
from nats.js.errors import APIError, NotFoundError

from services.runtime.cancelling import raise_if_cancelled, to_the_end
from services.runtime.streams import Publisher
from services.topology import (
    DEAD,
    VERDICTS,
    dead_subject,
    message_id,
    prompts_subject,
    verdicts_subject,
)
from services.trainer import tables
from services.trainer.buffer import Position, TrainingBuffer
from services.trainer.files import RunFolder, read_table, write_table
from services.trainer.prompts import Plan
from services.trainer.schedule import Schedule
from services.trainer.tables import Costs, Origin
from stillhouse.errors import FailedPrecondition
from stillhouse.events.v1 import events_pb2
from stillhouse.filter.convert import (
    candidate_from_proto,
    cascade_to_proto,
    document_to_proto,
    stats_from_proto,
    verdict_from_proto,
)
from stillhouse.filter.types import Cascade, Document
from stillhouse.generator.convert import (
    clause_to_proto,
    contrast_to_proto,
    decoding_to_proto,
    outline_to_proto,
    pointer_to_proto,
)
from stillhouse.generator.types import Clause, Decoding, ModelPointer, Outline, Prompt

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Work:
    """What one generation gives out; `prompt` makes a document's prompt,
    `constraints` gives what the candidates of a document's text shall satisfy, `outline` what
    they shall be a compression of.
    """

    generation: int
    attempt: int
    teacher: ModelPointer
    decoding: Decoding
    cascade: Cascade
    plan: Plan
    documents: Sequence[Document]
    prompt: Callable[[Document], Prompt]
    constraints: Callable[[str], Sequence[Clause]]
    outline: Callable[[str], Outline | None]


@dataclass(frozen=True, slots=True)
class _Dead:
    """A dead letter by its number in the stream; 0 is none."""

    sequence: int
    reason: str


class Collector:
    """Gives out the batches of a generation and takes their verdicts.

    Verdicts are stored before they are acknowledged, each batch in a file of its own until
    the buffer has it on disk, so that a repeated delivery changes nothing and a resumed run
    repeats nothing.
    """

    def __init__(self, js: JetStreamContext, publisher: Publisher, folder: RunFolder) -> None:
        self._js = js
        self._publisher = publisher
        self._folder = folder

    async def collect(
        self,
        work: Work,
        schedule: Schedule,
        buffer: TrainingBuffer,
        changed: Callable[[], None],
    ) -> None:
        """Run the schedule to its end; `changed` is called after each batch.

        FailedPrecondition if a message was given up on its way.
        """
        known_dead = await self._dead_so_far()
        position = await self._position(buffer)
        subscription = await self._subscribe(position)
        while not schedule.done:
            raise_if_cancelled()
            for batch in schedule.take():
                if not self._folder.part(work.generation, batch).exists():
                    await self._give(work, batch)
            part = self._folder.part(work.generation, buffer.batches)
            if part.exists():
                batch = buffer.batches
                schedule.complete(batch, await to_the_end(buffer.add, read_table(part)))
                if buffer.due:
                    position = await self._checkpoint(subscription, buffer, position)
                changed()
            else:
                await self._take(subscription, work, buffer)
                dead = await self._last_dead()
                if dead is not None and dead.sequence != known_dead.sequence:
                    raise FailedPrecondition(dead.reason)

    async def _position(self, buffer: TrainingBuffer) -> Position:
        """The buffer's position, or the beginning of a stream that is another than it read."""
        made = (await self._js.stream_info(VERDICTS)).created
        stream = made.isoformat() if made else ""
        return buffer.position if buffer.position.stream == stream else Position(0, stream)

    async def _subscribe(self, position: Position) -> JetStreamContext.PullSubscription:
        """To what is behind the position, if the consumer is not there any more."""
        run = self._folder.id
        config = ConsumerConfig()
        if position.sequence:
            config.deliver_policy = DeliverPolicy.BY_START_SEQUENCE
            config.opt_start_seq = position.sequence + 1
        return await self._js.pull_subscribe(
            verdicts_subject(run), durable=f"trainer-{run}", stream=VERDICTS, config=config
        )

    async def _checkpoint(
        self,
        subscription: JetStreamContext.PullSubscription,
        buffer: TrainingBuffer,
        position: Position,
    ) -> Position:
        """Make the buffer durable; the broker may forget what it holds."""
        try:
            floor = (await subscription.consumer_info()).ack_floor
            sequence = max(position.sequence, floor.stream_seq if floor else 0)
            position = Position(sequence, position.stream)
        except (nats.errors.Error, APIError, OSError) as error:
            log.info("position in the stream as before: %r", error)
        await to_the_end(buffer.checkpoint, position)
        with contextlib.suppress(nats.errors.Error, APIError, OSError):
            await self._js.purge_stream(
                VERDICTS, seq=position.sequence + 1, subject=verdicts_subject(self._folder.id)
            )
        return position

    async def _give(self, work: Work, batch: int) -> None:
        key = events_pb2.BatchKey(
            run_id=self._folder.id,
            generation=work.generation,
            batch=batch,
            attempt=work.attempt,
        )
        message = events_pb2.PromptBatch(
            key=key,
            model=pointer_to_proto(work.teacher),
            decoding=decoding_to_proto(work.decoding),
            cascade=cascade_to_proto(work.cascade),
        )
        for document in work.plan.documents(work.documents, batch):
            prompt = work.prompt(document)
            message.documents.append(
                events_pb2.PromptDocument(
                    document=document_to_proto(document),
                    prompt=prompt.text,
                    constraints=map(clause_to_proto, work.constraints(document.text)),
                    outline=outline_to_proto(work.outline(document.text)),
                    contrast=contrast_to_proto(prompt.contrast),
                )
            )
        await self._publisher.publish(
            prompts_subject(self._folder.id), message.SerializeToString(), message_id(key)
        )

    async def _take(
        self,
        subscription: JetStreamContext.PullSubscription,
        work: Work,
        buffer: TrainingBuffer,
    ) -> None:
        try:
            messages = await subscription.fetch(16, timeout=1)
        except (nats.errors.TimeoutError, TimeoutError):
            return
        except (nats.errors.Error, OSError) as error:
            log.warning("fetching again: %r", error)
            return
        for message in messages:
            verdicts = events_pb2.VerdictBatch.FromString(message.data)
            key = verdicts.key
            if key.generation == work.generation and key.batch >= buffer.batches:
                self._store(verdicts, work)
            await message.ack()

    def _store(self, batch: events_pb2.VerdictBatch, work: Work) -> None:
        part = self._folder.part(batch.key.generation, batch.key.batch)
        if part.exists():
            return
        origin = Origin(
            run=self._folder.id,
            generation=batch.key.generation,
            batch=batch.key.batch,
            model_digest=batch.model_digest,
            decoding=work.decoding,
        )
        candidates = [candidate_from_proto(one) for one in batch.candidates]
        verdicts = [verdict_from_proto(one) for one in batch.verdicts]
        costs = Costs(batch.generate_seconds, tuple(map(stats_from_proto, batch.layers)))
        write_table(part, tables.verdicts_table(origin, candidates, verdicts, costs))

    async def _dead_so_far(self) -> _Dead:
        """The run's last dead letter before anything is given out; waits for the broker."""
        while (found := await self._last_dead()) is None:
            raise_if_cancelled()
            await asyncio.sleep(1)
        return found

    async def _last_dead(self) -> _Dead | None:
        """None while the broker doesn't say, which is no news of a letter."""
        try:
            message = await self._js.get_last_msg(DEAD, dead_subject(self._folder.id))
        except NotFoundError:
            return _Dead(0, "")
        except (nats.errors.Error, OSError) as error:
            log.info("dead letters not known: %r", error)
            return None
        letter = events_pb2.DeadLetter.FromString(message.data or b"")
        reason = f"a message of {letter.stream} could not be worked on: {letter.reason}"
        return _Dead(message.seq or 0, reason)


def timed(seconds: float) -> Callable[[], float]:
    """A stopwatch that has already run for `seconds`."""
    started = time.monotonic() - seconds
    return lambda: time.monotonic() - started
