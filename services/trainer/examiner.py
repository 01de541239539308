"""Examining systems on the held-out documents, through the doors of generator and filter."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeVar

from services.trainer import evaluation
from services.trainer.cascades import cascade_of, faithfulness_first
from services.trainer.files import RunFolder, write_table
from services.trainer.prompts import derived_seed
from stillhouse.corpus import SourceDocument
from stillhouse.errors import ResourceExhausted, Unavailable
from stillhouse.filter.client import AsyncFilterClient
from stillhouse.generator.client import AsyncGeneratorClient
from stillhouse.generator.types import Decoding, ModelPointer, Prompt
from stillhouse.recipe import Recipe

log = logging.getLogger(__name__)

_T = TypeVar("_T")
_AT_ONCE = 8  # documents in one call: progress is seen, and a lost call costs little


class Examiner:
    """Writes a table for each system; a system that has one is not examined again.

    `progress` is told how many documents a model has answered.
    """

    def __init__(
        self,
        generator: AsyncGeneratorClient,
        judge: AsyncFilterClient,
        recipe: Recipe,
        folder: RunFolder,
        held_out: Sequence[SourceDocument],
        progress: Callable[[int], None],
    ) -> None:
        self._generator = generator
        self._judge = judge
        self._recipe = recipe
        self._folder = folder
        self._held_out = held_out
        self._progress = progress

    async def model(self, system: str, model: ModelPointer, prompts: Mapping[str, str]) -> None:
        """Examine a model; `prompts` by document id."""
        if self._folder.evaluation(system).exists():
            return
        asked = [Prompt(one.id, prompts[one.id]) for one in self._held_out]
        await self.texts(system, await self.write(model, asked))

    async def write(self, model: ModelPointer, prompts: Sequence[Prompt]) -> list[str]:
        """What a model answers, one text a prompt."""
        texts: list[str] = []
        for start in range(0, len(prompts), _AT_ONCE):
            part = prompts[start:][:_AT_ONCE]
            texts += await patiently(lambda part=part: self._write(model, part))  # type: ignore[misc]
            self._progress(len(texts))
        return texts

    async def texts(self, system: str, texts: Sequence[str]) -> None:
        """Examine texts, one for each held-out document."""
        path = self._folder.evaluation(system)
        if path.exists():
            return
        documents, candidates = evaluation.candidates_of(system, self._held_out, texts)
        cascade = faithfulness_first(cascade_of(self._recipe))
        result = await patiently(lambda: self._judge.evaluate(cascade, documents, candidates))
        write_table(path, evaluation.table(self._held_out, texts, result.verdicts))

    async def _write(self, model: ModelPointer, prompts: Sequence[Prompt]) -> list[str]:
        decoding = Decoding(
            samples=1,
            max_new_tokens=self._recipe.generation.max_new_tokens,
            temperature=self._recipe.evaluation.temperature,
            top_p=self._recipe.generation.top_p,
            seed=derived_seed(self._recipe.seed, "evaluation"),
        )
        await self._generator.load_model(model)
        answers = self._generator.generate(prompts, decoding, model_digest=model.digest)
        return [samples[0].text async for _, samples in answers]


async def patiently(call: Callable[[], Awaitable[_T]]) -> _T:
    """Repeat a call while its server is away or full."""
    delay = 0.2
    while True:
        try:
            return await call()
        except (Unavailable, ResourceExhausted) as error:
            log.warning("waiting: %s", error)
        await asyncio.sleep(delay)
        delay = min(delay * 2, 5.0)
