"""What the doors of the generator ask of a backend."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from stillhouse.errors import FailedPrecondition, Unavailable
from stillhouse.generator.types import (
    Decoding,
    ModelDescription,
    ModelPointer,
    Prompt,
    Sample,
    Score,
    ScoreItem,
)


class Model(Protocol):
    """One model that can answer; it stays itself when its backend loads another."""

    @property
    def pointer(self) -> ModelPointer:
        """Where the model is, and its digest."""
        ...

    async def describe(self) -> ModelDescription:
        """What the model is, and what cannot be asked of it."""
        ...

    async def generate(self, prompts: Sequence[Prompt], decoding: Decoding) -> list[list[Sample]]:
        """For each prompt its continuations; the same call gives the same ones.

        FailedPrecondition, before anything is generated, for constraints, a beam or an
        index that this backend can't decode with.
        """
        ...

    async def score(self, items: Sequence[ScoreItem], *, per_token: bool = False) -> list[Score]:
        """One score per item, in order; Unimplemented, by name, where the backend has none."""
        ...


class Backend(Protocol):
    """Holds the model of a process, or none yet."""

    @property
    def loaded(self) -> Model | None:
        """The model, or None before the first load.

        Unavailable while a server that is needed has not answered yet.
        """
        ...

    async def start(self) -> None:
        """Make ready, waiting for a server that is needed; a model may have to be loaded yet."""
        ...

    async def load(self, pointer: ModelPointer) -> Model:
        """Make `pointer` the model, unless it is already.

        InvalidArgument without a uri, NotFound if nothing is there, FailedPrecondition
        if this backend's model is another one for good.
        """
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...


def required(backend: Backend, model_digest: str) -> Model:
    """The backend's model, if it is the one asked for (any if `model_digest` is empty)."""
    model = backend.loaded
    if model is None:
        raise Unavailable("no model is loaded yet")
    present = model.pointer.digest
    if model_digest and model_digest != present:
        raise FailedPrecondition(
            f"model {model_digest[:12]} was asked for, {present[:12]} is loaded; "
            "call LoadModel first"
        )
    return model
