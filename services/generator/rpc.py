"""The gRPC door of the generator."""

from __future__ import annotations

import math
import time
from collections.abc import AsyncIterator
from typing import Any

import grpc

from services.generator import metrics
from services.generator.backends.base import Backend, required
from services.generator.constraints.occurrence import check_clauses
from services.generator.constraints.outline import check_outline
from services.generator.readings import check_contrast, texts
from services.generator.settings import GeneratorSettings
from stillhouse.errors import InvalidArgument
from stillhouse.generator import convert
from stillhouse.generator.types import Beam, Decoding, Infgram
from stillhouse.generator.v1 import generator_pb2, generator_pb2_grpc

_Context = grpc.aio.ServicerContext[Any, Any]


class GeneratorService(generator_pb2_grpc.GeneratorServiceServicer):
    """Describe, LoadModel, Generate and Score on the process's model."""

    def __init__(self, backend: Backend, settings: GeneratorSettings) -> None:
        self._backend = backend
        self._settings = settings

    async def Describe(
        self, request: generator_pb2.DescribeRequest, context: _Context
    ) -> generator_pb2.DescribeResponse:
        """Say which model is loaded."""
        model = self._backend.loaded
        if model is None:
            return generator_pb2.DescribeResponse()
        return convert.description_to_proto(await model.describe())

    async def LoadModel(
        self, request: generator_pb2.LoadModelRequest, context: _Context
    ) -> generator_pb2.LoadModelResponse:
        """Swap the model."""
        model = await self._backend.load(convert.pointer_from_proto(request.model))
        metrics.loaded(model.pointer)
        return generator_pb2.LoadModelResponse(model=convert.pointer_to_proto(model.pointer))

    async def Generate(
        self, request: generator_pb2.GenerateRequest, context: _Context
    ) -> AsyncIterator[generator_pb2.GenerateResponse]:
        """Sample continuations of every prompt."""
        decoding = convert.decoding_from_proto(request.decoding)
        prompts = [convert.prompt_from_proto(prompt) for prompt in request.prompts]
        check_decoding(decoding)
        for number, prompt in enumerate(prompts):
            check_clauses(prompt.constraints, f"prompts[{number}].constraints")
            check_outline(prompt.outline, decoding, f"prompts[{number}].outline")
            check_contrast(prompt.contrast, decoding, f"prompts[{number}].contrast")
        rows = max(decoding.samples, decoding.beam.width if decoding.beam else 0)
        asked = sum(len(texts(prompt)) for prompt in prompts)
        _check_limit("prompts", asked * rows, self._settings.max_samples)
        _check_distinct([prompt.id for prompt in prompts])
        model = required(self._backend, request.model_digest)
        begun = time.perf_counter()
        groups = await model.generate(prompts, decoding)
        metrics.generated(groups, time.perf_counter() - begun)
        for prompt, samples in zip(prompts, groups, strict=True):
            yield generator_pb2.GenerateResponse(
                prompt_id=prompt.id, samples=[convert.sample_to_proto(one) for one in samples]
            )

    async def Score(
        self, request: generator_pb2.ScoreRequest, context: _Context
    ) -> generator_pb2.ScoreResponse:
        """Score every continuation."""
        _check_limit("items", len(request.items), self._settings.max_items)
        items = [convert.item_from_proto(item) for item in request.items]
        model = required(self._backend, request.model_digest)
        begun = time.perf_counter()
        results = await model.score(items, per_token=request.per_token)
        metrics.scored(results, time.perf_counter() - begun)
        return generator_pb2.ScoreResponse(
            results=[convert.score_to_proto(result) for result in results]
        )


def check_decoding(decoding: Decoding) -> None:
    """InvalidArgument names the first parameter that cannot be decoded with."""
    if decoding.samples < 1:
        raise InvalidArgument("decoding.samples", "must be at least 1")
    if decoding.max_new_tokens < 1:
        raise InvalidArgument("decoding.max_new_tokens", "must be at least 1")
    if not math.isfinite(decoding.temperature) or decoding.temperature < 0:
        raise InvalidArgument("decoding.temperature", "must be 0 (greedy) or above")
    if not 0 < decoding.top_p <= 1:
        raise InvalidArgument("decoding.top_p", "must be above 0 and at most 1")
    if not math.isfinite(decoding.guidance) or decoding.guidance < 0:
        raise InvalidArgument("decoding.guidance", "must be 0 or above")
    if decoding.beam is not None:
        _check_beam(decoding.beam)
    if decoding.infgram is not None:
        _check_infgram(decoding.infgram)


def _check_beam(beam: Beam) -> None:
    for name in ("width", "prune", "branches"):
        if getattr(beam, name) < 1:
            raise InvalidArgument(f"decoding.beam.{name}", "must be at least 1")
    for name in ("progress", "length_penalty", "strength"):
        value = getattr(beam, name)
        if not math.isfinite(value) or value < 0:
            raise InvalidArgument(f"decoding.beam.{name}", "must be 0 or above")


def _check_infgram(infgram: Infgram) -> None:
    for name in ("weight", "sparse_weight"):
        if not 0 <= getattr(infgram, name) < 1:
            raise InvalidArgument(f"decoding.infgram.{name}", "must be at least 0 and below 1")
    if infgram.min_suffix < 1:
        raise InvalidArgument("decoding.infgram.min_suffix", "must be at least 1")


def _check_limit(field: str, value: int, limit: int) -> None:
    if value > limit:
        raise InvalidArgument(field, f"asks for {value}, the limit of one call is {limit}")


def _check_distinct(ids: list[str]) -> None:
    seen: set[str] = set()
    for number, prompt_id in enumerate(ids):
        if prompt_id in seen:
            raise InvalidArgument(f"prompts[{number}].id", f"{prompt_id!r} is used twice")
        seen.add(prompt_id)
