"""The queue door of the generator: prompt batches in, candidate batches out."""

from __future__ import annotations

import logging
import time

from services.generator import metrics
from services.generator.backends.base import Backend
from services.generator.candidates import candidates_of
from services.runtime import logs
from services.runtime.streams import Publisher
from services.topology import candidates_subject, message_id
from stillhouse.events.v1 import events_pb2
from stillhouse.filter.convert import candidate_to_proto
from stillhouse.generator.convert import (
    clause_from_proto,
    contrast_from_proto,
    decoding_from_proto,
    outline_from_proto,
    pointer_from_proto,
)
from stillhouse.generator.types import Prompt

log = logging.getLogger(__name__)


class PromptHandler:
    """Decodes one prompt batch by the model it names and publishes its candidates."""

    def __init__(self, backend: Backend, publisher: Publisher) -> None:
        self._backend = backend
        self._publisher = publisher

    async def __call__(self, payload: bytes) -> None:
        """Return once the candidates are stored in the queue."""
        batch = events_pb2.PromptBatch.FromString(payload)
        with logs.bound(run=batch.key.run_id, batch=message_id(batch.key)):
            await self._decode(batch)

    async def _decode(self, batch: events_pb2.PromptBatch) -> None:
        started = time.monotonic()
        result = await self._generate(batch)
        result.generate_seconds = time.monotonic() - started
        await self._publisher.publish(
            candidates_subject(batch.key.run_id), result.SerializeToString(), message_id(batch.key)
        )
        log.info(
            "batch generated",
            extra={
                "candidates": len(result.candidates),
                "seconds": round(result.generate_seconds, 2),
            },
        )

    async def _generate(self, batch: events_pb2.PromptBatch) -> events_pb2.CandidateBatch:
        model = await self._backend.load(pointer_from_proto(batch.model))
        decoding = decoding_from_proto(batch.decoding)
        prompts = [_prompt(entry) for entry in batch.documents]
        metrics.loaded(model.pointer)
        begun = time.perf_counter()
        groups = await model.generate(prompts, decoding)
        metrics.generated(groups, time.perf_counter() - begun)
        result = events_pb2.CandidateBatch(
            key=batch.key, model_digest=model.pointer.digest, cascade=batch.cascade
        )
        for entry, prompt, samples in zip(batch.documents, prompts, groups, strict=True):
            candidates = candidates_of(
                samples,
                run_id=batch.key.run_id,
                generation=batch.key.generation,
                source_id=entry.document.id,
                model_digest=model.pointer.digest,
                decoding=decoding,
                constraints=prompt.constraints,
                outline=prompt.outline,
            )
            result.documents.append(entry.document)
            result.candidates.extend(candidate_to_proto(one) for one in candidates)
        return result


def _prompt(entry: events_pb2.PromptDocument) -> Prompt:
    constraints = tuple(map(clause_from_proto, entry.constraints))
    outline = outline_from_proto(entry.outline) if entry.HasField("outline") else None
    contrast = contrast_from_proto(entry.contrast) if entry.HasField("contrast") else None
    return Prompt(entry.document.id, entry.prompt, constraints, outline, contrast)
