"""Examining systems on the held-out documents, through the doors of generator and filter."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeVar

import pyarrow as pa

from services.trainer import evaluation, systems
from services.trainer.cascades import cascade_of, faithfulness_first, of_the_text
from services.trainer.evaluation import Opinions
from services.trainer.files import RunFolder, read_table, write_table
from services.trainer.prompts import derived_seed
from stillhouse.corpus import SourceDocument
from stillhouse.errors import ResourceExhausted, Unavailable
from stillhouse.filter.client import AsyncFilterClient
from stillhouse.filter.types import Candidate, Cascade, Document, Verdict
from stillhouse.generator.client import AsyncGeneratorClient
from stillhouse.generator.types import Decoding, ModelPointer, Prompt, Sample
from stillhouse.recipe import Recipe

log = logging.getLogger(__name__)

_T = TypeVar("_T")
_AT_ONCE = 8  # documents in one call: progress is seen, and a lost call costs little
_JUDGED_AT_ONCE = 64
_WRITTEN_BY, _JUDGED_BY, _CRITIC = b"written_by", b"judged_by", b"critic"


class Examiner:
    """Writes a table for each system; what is there already is not done again.

    A table says by what its texts were written (model, prompts, decoding) and by what they
    were judged (layers, references, critic), so that what has changed is examined anew.
    `progress` is told how many documents a model has answered; `independent` is a filter
    whose critic, `evaluation.critic`, filtered no candidate.
    """

    def __init__(
        self,
        generator: AsyncGeneratorClient,
        judge: AsyncFilterClient,
        recipe: Recipe,
        folder: RunFolder,
        held_out: Sequence[SourceDocument],
        progress: Callable[[int], None],
        independent: AsyncFilterClient | None = None,
    ) -> None:
        self._generator = generator
        self._judge = judge
        self._recipe = recipe
        self._folder = folder
        self._held_out = held_out
        self._progress = progress
        self._independent = independent
        self._words = evaluation.word_budget(held_out, recipe)

    async def baselines(self) -> None:
        """Examine the systems that are no models."""
        found = systems.baselines(self._held_out, self._words, self._recipe.seed)
        for system, texts in found.items():
            await self.texts(system, texts)

    async def model(
        self,
        system: str,
        model: ModelPointer,
        prompts: Mapping[str, str],
        generator: AsyncGeneratorClient | None = None,
    ) -> None:
        """Examine a model; `prompts` by document id. `generator` has it, if ours can't load it."""
        asked = [Prompt(one.id, prompts[one.id]) for one in self._held_out]
        key = _key(model.digest, repr(self._decoding), *(f"{one.id}\0{one.text}" for one in asked))
        known = self._known(system, key)
        samples = evaluation.samples_of(known) if known is not None else None
        if samples is None:
            samples = await self._samples(model, asked, generator)
        await self._judged(system, samples, key, written=True)

    async def texts(self, system: str, texts: Sequence[str]) -> None:
        """Examine texts that no model wrote, one for each held-out document."""
        pairs = zip(self._held_out, texts, strict=True)
        key = _key(*(f"{one.id}\0{text}" for one, text in pairs))
        await self._judged(system, evaluation.unwritten(texts), key, written=False)

    async def _judged(
        self, system: str, samples: Sequence[Sample], key: str, written: bool
    ) -> None:
        if self._complete(system, key, written):
            return
        cascade = cascade_of(self._recipe)
        cascade = faithfulness_first(cascade if written else of_the_text(cascade))
        opinions: list[Opinions] = []
        for start in range(0, len(samples), _JUDGED_AT_ONCE):
            part = slice(start, start + _JUDGED_AT_ONCE)
            asked = evaluation.candidates_of(system, self._held_out[part], samples[part])
            opinions += await self._opinions(cascade, *asked)
        texts = [one.text for one in samples]
        found = evaluation.table(self._held_out, texts, opinions, self._words)
        if written:
            found = evaluation.with_samples(found, samples)
        made = {_WRITTEN_BY: key, _JUDGED_BY: self._judged_by}
        if self._independent:
            made[_CRITIC] = self._recipe.evaluation.critic
        write_table(self._folder.evaluation(system), found.replace_schema_metadata(made))

    async def _opinions(
        self, cascade: Cascade, documents: Sequence[Document], candidates: Sequence[Candidate]
    ) -> list[Opinions]:
        async def evaluated(judge: AsyncFilterClient, by: Cascade) -> Sequence[Verdict]:
            return (await patiently(lambda: judge.evaluate(by, documents, candidates))).verdicts

        verdicts = await evaluated(self._judge, cascade)
        measured = await evaluated(self._judge, evaluation.MEASURES)
        independent: Sequence[Mapping[str, float]] = [{}] * len(candidates)
        if self._independent:
            other = evaluation.independent_cascade(self._recipe)
            told = await evaluated(self._independent, other)
            independent = [one.scores for one in told]
        return [
            Opinions(verdict, one.scores, other)
            for verdict, one, other in zip(verdicts, measured, independent, strict=True)
        ]

    def _known(self, system: str, key: str) -> pa.Table | None:
        """The table that is there already, if its texts were written in this way."""
        path = self._folder.evaluation(system)
        if not path.exists():
            return None
        found = read_table(path)
        written_by = _metadata(found).get(_WRITTEN_BY)
        return found if written_by == key.encode() else None

    def _complete(self, system: str, key: str, written: bool) -> bool:
        """Whether they are judged too, in this way."""
        found = self._known(system, key)
        if found is None:
            return False
        made, critic = _metadata(found), self._recipe.evaluation.critic.encode()
        measured = evaluation.SCHEMA.names
        return (
            found.schema.names[: len(measured)] == measured
            and (evaluation.samples_of(found) is not None) == written
            and made.get(_JUDGED_BY) == self._judged_by.encode()
            and (self._independent is None or made.get(_CRITIC) == critic)
        )

    @property
    def _judged_by(self) -> str:
        references = [one.reference for one in self._held_out]
        return _key(repr(cascade_of(self._recipe)), str(self._words), *references)

    async def write(
        self,
        model: ModelPointer,
        prompts: Sequence[Prompt],
        generator: AsyncGeneratorClient | None = None,
    ) -> list[str]:
        """What a model answers, one text a prompt."""
        return [one.text for one in await self._samples(model, prompts, generator)]

    async def _samples(
        self,
        model: ModelPointer,
        prompts: Sequence[Prompt],
        generator: AsyncGeneratorClient | None = None,
    ) -> list[Sample]:
        samples: list[Sample] = []
        for start in range(0, len(prompts), _AT_ONCE):
            part = prompts[start:][:_AT_ONCE]
            if generator is None:
                samples += await patiently(lambda part=part: self._load_and_write(model, part))  # type: ignore[misc]
            else:
                samples += await patiently(lambda part=part: self._write(generator, "", part))  # type: ignore[misc]
            self._progress(len(samples))
        return samples

    async def _load_and_write(self, model: ModelPointer, prompts: Sequence[Prompt]) -> list[Sample]:
        await self._generator.load_model(model)
        return await self._write(self._generator, model.digest, prompts)

    async def _write(
        self, generator: AsyncGeneratorClient, digest: str, prompts: Sequence[Prompt]
    ) -> list[Sample]:
        answers = generator.generate(prompts, self._decoding, model_digest=digest)
        return [samples[0] async for _, samples in answers]

    @property
    def _decoding(self) -> Decoding:
        return Decoding(
            samples=1,
            max_new_tokens=self._recipe.generation.max_new_tokens,
            temperature=self._recipe.evaluation.temperature,
            top_p=self._recipe.generation.top_p,
            seed=derived_seed(self._recipe.seed, "evaluation"),
        )


def _metadata(table: pa.Table) -> Mapping[bytes, bytes]:
    return dict(table.schema.metadata or {})


def _key(*parts: str) -> str:
    """What tells apart by what texts were written."""
    total = hashlib.sha256()
    for part in parts:
        total.update(part.encode() + b"\0\0")
    return total.hexdigest()


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
