"""Clients of the generator service, as teacher or as critic.

Every call raises errors of `stillhouse.errors`: InvalidArgument and
FailedPrecondition for what is asked, ResourceExhausted, Unavailable and
DeadlineExceeded for what may go better on the next try. `model_digest` insists on one
model; empty takes whichever is loaded.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator

from stillhouse.generator import convert
from stillhouse.generator.types import (
    Decoding,
    ModelDescription,
    ModelPointer,
    Prompt,
    Sample,
    Score,
    ScoreItem,
)
from stillhouse.generator.v1 import generator_pb2 as pb
from stillhouse.generator.v1.generator_pb2_grpc import GeneratorServiceStub
from stillhouse.security import Tls
from stillhouse.transport import AsyncClient, Client

_TIMEOUT = 600.0  # on a CPU a batch takes minutes

Samples = tuple[str, tuple[Sample, ...]]
"""The id of a prompt and its samples, in order of their index."""


class GeneratorClient(Client):
    """Asks a generator; a call takes `timeout` seconds at most."""

    def __init__(
        self,
        target: str,
        timeout: float = _TIMEOUT,
        *,
        tls: Tls | None = None,
        token: str = "",
    ) -> None:
        super().__init__(target, timeout, tls, token)
        self._stub = GeneratorServiceStub(self._channel)

    def describe(self, *, timeout: float | None = None) -> ModelDescription:
        """The model that is loaded; its pointer is empty before the first load."""
        return convert.description_from_proto(
            self._call(self._stub.Describe, pb.DescribeRequest(), timeout)
        )

    def load_model(self, pointer: ModelPointer, *, timeout: float | None = None) -> ModelPointer:
        """Swap the model; NotFound if there is none at the uri."""
        answer = self._call(self._stub.LoadModel, _load(pointer), timeout)
        return convert.pointer_from_proto(answer.model)

    def generate(
        self,
        prompts: Iterable[Prompt],
        decoding: Decoding,
        model_digest: str = "",
        *,
        timeout: float | None = None,
    ) -> Iterator[Samples]:
        """Sample continuations: one pair per prompt, in their order."""
        request = _generate(prompts, decoding, model_digest)
        for answer in self._stream(self._stub.Generate, request, self._within(timeout)):
            yield _samples(answer)

    def score(
        self,
        items: Iterable[ScoreItem],
        per_token: bool = False,
        model_digest: str = "",
        *,
        timeout: float | None = None,
    ) -> tuple[Score, ...]:
        """Log-likelihood of each continuation given its prefix, in their order."""
        return _scores(
            self._call(self._stub.Score, _score(items, per_token, model_digest), timeout)
        )


class AsyncGeneratorClient(AsyncClient):
    """`GeneratorClient` for asyncio."""

    def __init__(
        self,
        target: str,
        timeout: float = _TIMEOUT,
        *,
        tls: Tls | None = None,
        token: str = "",
    ) -> None:
        super().__init__(target, timeout, tls, token)
        self._stub = GeneratorServiceStub(self._channel)

    async def describe(self, *, timeout: float | None = None) -> ModelDescription:
        """As `GeneratorClient.describe`."""
        return convert.description_from_proto(
            await self._call(self._stub.Describe, pb.DescribeRequest(), timeout)
        )

    async def load_model(
        self, pointer: ModelPointer, *, timeout: float | None = None
    ) -> ModelPointer:
        """As `GeneratorClient.load_model`."""
        answer = await self._call(self._stub.LoadModel, _load(pointer), timeout)
        return convert.pointer_from_proto(answer.model)

    async def generate(
        self,
        prompts: Iterable[Prompt],
        decoding: Decoding,
        model_digest: str = "",
        *,
        timeout: float | None = None,
    ) -> AsyncIterator[Samples]:
        """As `GeneratorClient.generate`."""
        request = _generate(prompts, decoding, model_digest)
        async for answer in self._stream(self._stub.Generate, request, self._within(timeout)):
            yield _samples(answer)

    async def score(
        self,
        items: Iterable[ScoreItem],
        per_token: bool = False,
        model_digest: str = "",
        *,
        timeout: float | None = None,
    ) -> tuple[Score, ...]:
        """As `GeneratorClient.score`."""
        return _scores(
            await self._call(self._stub.Score, _score(items, per_token, model_digest), timeout)
        )


def _load(pointer: ModelPointer) -> pb.LoadModelRequest:
    return pb.LoadModelRequest(model=convert.pointer_to_proto(pointer))


def _generate(
    prompts: Iterable[Prompt], decoding: Decoding, model_digest: str
) -> pb.GenerateRequest:
    return pb.GenerateRequest(
        model_digest=model_digest,
        prompts=map(convert.prompt_to_proto, prompts),
        decoding=convert.decoding_to_proto(decoding),
    )


def _score(items: Iterable[ScoreItem], per_token: bool, model_digest: str) -> pb.ScoreRequest:
    return pb.ScoreRequest(
        model_digest=model_digest,
        items=map(convert.item_to_proto, items),
        per_token=per_token,
    )


def _samples(answer: pb.GenerateResponse) -> Samples:
    return answer.prompt_id, tuple(map(convert.sample_from_proto, answer.samples))


def _scores(answer: pb.ScoreResponse) -> tuple[Score, ...]:
    return tuple(map(convert.score_from_proto, answer.results))
