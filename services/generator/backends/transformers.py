"""Models in this process: checkpoints that transformers reads, decoded by our own code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from services.checkpoints.load import LoadedModel
from services.generator.decoding import decode
from services.generator.indexes import Indexes
from services.generator.memory import DEFAULT_BUDGET
from services.generator.model import ModelHolder
from services.generator.scoring import score
from services.generator.settings import GeneratorSettings
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


@dataclass(frozen=True, slots=True)
class LocalModel:
    """A model that was loaded; calls under way keep it when another takes its place."""

    _holder: ModelHolder
    _loaded: LoadedModel
    _budget: int
    _indexes: Indexes

    @property
    def pointer(self) -> ModelPointer:
        """Where it was loaded from."""
        return self._loaded.pointer

    async def describe(self) -> ModelDescription:
        """What it is, and which indexes can be mixed in now."""
        found = self._holder.describe(self._loaded)
        try:
            return replace(found, indexes=await self._indexes.usable(self._loaded))
        except (FailedPrecondition, Unavailable) as error:
            return replace(found, infgram_refused=str(error))

    async def generate(self, prompts: Sequence[Prompt], decoding: Decoding) -> list[list[Sample]]:
        """Sampled, or with decoding.beam searched for, after the calls before it."""
        wanted = decoding.infgram
        index = await self._indexes.client_for(wanted, self._loaded) if wanted else None
        return await self._holder.use(
            self._loaded,
            lambda model, cancelled: decode(
                model, prompts, decoding, cancelled, self._budget, index
            ),
        )

    async def score(self, items: Sequence[ScoreItem], *, per_token: bool = False) -> list[Score]:
        """Log-likelihoods, after the calls before it."""
        return await self._holder.use(
            self._loaded,
            lambda model, cancelled: score(model, items, per_token=per_token, cancelled=cancelled),
        )


class TransformersBackend:
    """The model that a `ModelHolder` holds."""

    def __init__(
        self,
        holder: ModelHolder,
        budget: int = DEFAULT_BUDGET,
        indexes: Indexes | None = None,
    ) -> None:
        """`budget`: bytes for the caches and logits of a batch."""
        self._holder = holder
        self._budget = budget
        self._indexes = indexes or Indexes()

    @classmethod
    def open(cls, settings: GeneratorSettings) -> TransformersBackend:
        """As the settings say; sets the threads of torch for the whole process."""
        if settings.threads:
            torch.set_num_threads(settings.threads)
        holder = ModelHolder(frozen=settings.role == "critic", max_waiting=settings.max_waiting)
        return cls(holder, settings.memory_mib * 2**20, Indexes.open(settings))

    @property
    def loaded(self) -> LocalModel | None:
        """The model, or None before the first load."""
        loaded = self._holder.loaded
        return None if loaded is None else self._model(loaded)

    async def start(self) -> None:
        """Nothing to do before the first load."""

    async def load(self, pointer: ModelPointer) -> LocalModel:
        """As `ModelHolder.load`."""
        return self._model(await self._holder.load(pointer))

    async def close(self) -> None:
        """Let go of the index service."""
        self._indexes.close()

    def _model(self, loaded: LoadedModel) -> LocalModel:
        return LocalModel(self._holder, loaded, self._budget, self._indexes)
