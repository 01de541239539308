"""A backend whose model is served elsewhere: one, named by where it is, for good."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Awaitable, Iterable, Sequence
from dataclasses import replace
from typing import Protocol, TypeVar
from urllib.parse import urlsplit

from stillhouse.errors import FailedPrecondition, InvalidArgument, ResourceExhausted, Unavailable
from stillhouse.generator.types import (
    Decoding,
    ModelDescription,
    ModelPointer,
    Prompt,
    Sample,
    Score,
    ScoreItem,
)

log = logging.getLogger(__name__)

_T = TypeVar("_T")

_BETWEEN_STARTS = 2.0  # seconds; a server may take minutes to load its model
_REMEDY = "ask a generator with STILLHOUSE_BACKEND=transformers"


class ModelServer(Protocol):
    """What is asked of a server, in the words of the generator."""

    name: str

    async def open(self) -> ModelDescription:
        """Its model, once it answers; Unavailable if it does not.

        The pointer's uri says where it is, as kind:url#model.
        """
        ...

    async def sample(self, prompt: Prompt, decoding: Decoding) -> list[Sample]:
        """`decoding.samples` continuations of one prompt."""
        ...

    async def score(self, item: ScoreItem, per_token: bool) -> Score:
        """The log-likelihood of a continuation that is not empty."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...


class RemoteBackend:
    """Backend and model in one: a server's only model.

    `declared` names the checkpoint that the server serves, for those who know the model by
    its files; without it the digest is of the server's own name of it.
    """

    def __init__(
        self,
        server: ModelServer,
        max_waiting: int = 64,
        declared: ModelPointer | None = None,
    ) -> None:
        self._server = server
        self._max_waiting = max_waiting
        self._declared = declared
        self._waiting = 0
        self._description: ModelDescription | None = None

    @property
    def loaded(self) -> RemoteBackend:
        """The model; Unavailable before the server has answered."""
        self._described()
        return self

    @property
    def pointer(self) -> ModelPointer:
        """What was declared, or the server and its name of the model."""
        return self._described().pointer

    async def describe(self) -> ModelDescription:
        """What the server tells of its model, and what it can't do."""
        return self._described()

    def _described(self) -> ModelDescription:
        if self._description is None:
            raise Unavailable(f"{self._server.name} has not answered yet")
        return self._description

    async def start(self) -> None:
        """Ask the server what it is and what it can do, as soon as it is there."""
        found = await self._answer()
        uri = found.pointer.uri
        own = ModelPointer(uri, hashlib.sha256(uri.encode()).hexdigest())
        blind = (
            f"{self._server.name} does not give the log-probabilities of all tokens at each step; "
            f"{_REMEDY}"
        )
        self._description = replace(
            found,
            pointer=self._declared or own,
            constraints_refused=blind,
            infgram_refused=blind,
            load_refused=f"its model is served elsewhere ({uri}) and stays; {_REMEDY}",
        )

    async def _answer(self) -> ModelDescription:
        while True:
            try:
                return await self._server.open()
            except (Unavailable, ResourceExhausted) as error:
                log.warning("waiting for the server: %s", error)
            await asyncio.sleep(_BETWEEN_STARTS)

    async def load(self, pointer: ModelPointer) -> RemoteBackend:
        """Nothing to do for this backend's own model; FailedPrecondition for any other."""
        if not pointer.uri:
            raise InvalidArgument("model.uri", "is empty; give the folder of a model")
        description = self._described()
        own = description.pointer
        same = pointer.digest == own.digest if pointer.digest else pointer.uri == own.uri
        if not same:
            raise FailedPrecondition(
                f"this generator can't load {pointer.uri}: {description.load_refused}. If the "
                "server serves just that, say so in STILLHOUSE_MODEL_URI and "
                "STILLHOUSE_MODEL_DIGEST"
            )
        return self

    async def generate(self, prompts: Sequence[Prompt], decoding: Decoding) -> list[list[Sample]]:
        """Prompts side by side; refuses, before it asks the server, what needs each step."""
        for number, prompt in enumerate(prompts):
            if prompt.constraints:
                raise self._refused(f"prompts[{number}].constraints")
            if prompt.outline is not None:
                raise self._refused(f"prompts[{number}].outline")
            if prompt.contrast is not None:
                raise self._refused(f"prompts[{number}].contrast")
            if not prompt.text:
                raise InvalidArgument("prompts", "a prompt must hold at least one token")
        if decoding.beam is not None:
            raise self._refused("decoding.beam")
        if decoding.infgram is not None:
            raise self._refused("decoding.infgram")
        return await self._admitted(self._server.sample(one, decoding) for one in prompts)

    async def score(self, items: Sequence[ScoreItem], *, per_token: bool = False) -> list[Score]:
        """Items side by side; an empty continuation scores exactly 0."""
        return await self._admitted(self._score(item, per_token) for item in items)

    async def _score(self, item: ScoreItem, per_token: bool) -> Score:
        if not item.continuation:
            return Score(0.0, 0)
        return await self._server.score(item, per_token)

    async def close(self) -> None:
        """Let go of connections."""
        await self._server.close()

    async def _admitted(self, jobs: Iterable[Awaitable[_T]]) -> list[_T]:
        if self._waiting >= self._max_waiting:
            raise ResourceExhausted(
                f"{self._waiting} calls wait for {self._server.name}", retry_after=1.0
            )
        self._waiting += 1
        try:
            return await together(jobs)
        finally:
            self._waiting -= 1

    def _refused(self, field: str) -> FailedPrecondition:
        return FailedPrecondition(
            f"{field} can't be decoded with: {self._described().constraints_refused}"
        )


async def together(jobs: Iterable[Awaitable[_T]]) -> list[_T]:
    """All results, in order; the first error ends the others."""
    tasks = [asyncio.ensure_future(job) for job in jobs]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def untempered(decoding: Decoding) -> bool:
    """Whether what is drawn is as likely as the model itself says: greedy, or as it is."""
    return decoding.temperature == 0 or (decoding.temperature == 1 and decoding.top_p == 1)


def seed_of(seed: int, prompt_id: str, index: int) -> int:
    """The seed of one sample of a prompt, of 31 bits, which every server takes."""
    digest = hashlib.sha256(f"{seed}\0{index}\0{prompt_id}".encode()).digest()
    return int.from_bytes(digest[:4]) >> 1


def checked_url(url: str) -> str:
    """The server's address, without a slash at its end; InvalidArgument if it is none."""
    variable = "STILLHOUSE_BACKEND_URL"
    try:
        parts = urlsplit(url.strip())
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good:
        raise InvalidArgument(variable, f"is {url!r}; give the server as http://HOST:PORT")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise InvalidArgument(
            variable, "holds more than an address; a key goes to STILLHOUSE_BACKEND_API_KEY"
        )
    return url.strip().rstrip("/")
