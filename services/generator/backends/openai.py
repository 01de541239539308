"""Any server of OpenAI's completions (POST /v1/completions): vLLM, SGLang, llama.cpp, ...

What servers differ in is found out at the start, by requests for one token each: several
samples in one request (n), log-probabilities (logprobs), and those of the prompt (echo).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from services.generator.backends.alignment import score_of, token_ends
from services.generator.backends.channel import Channel
from services.generator.backends.completions import Choice, Completion, Entry, Models
from services.generator.backends.drawn import Drawn, sample_of
from services.generator.backends.patience import Patience, Refused
from services.generator.backends.probing import PROBES, same, why_unscored
from services.generator.backends.remote import checked_url, seed_of, together, untempered
from services.generator.settings import GeneratorSettings
from stillhouse.errors import FailedPrecondition, InvalidArgument, Unavailable, Unimplemented
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

# One, since to some servers no token means any number.
_ONE_TOKEN = {"max_tokens": 1, "temperature": 0.0}
_TOGETHER = (64, 8, 2)  # samples in one request; llama.cpp takes as many as it has slots


@dataclass(frozen=True, slots=True)
class Abilities:
    """What a server can do beyond one sample of one prompt.

    draws: it samples at all. together: most samples in one request. logprobs: it tells those
    of what it generates; raw: they are the model's own at any temperature. unscored: why it
    can't score.
    """

    draws: bool = True
    together: int = 1
    logprobs: bool = False
    raw: bool = False
    unscored: str = ""


class CompletionsServer:
    """Speaks to one model of one server."""

    def __init__(self, settings: GeneratorSettings, patience: Patience) -> None:
        self._url = checked_url(settings.backend_url).removesuffix("/v1")
        self._settings = settings
        self._model = settings.backend_model
        self._abilities = Abilities()
        self._channel = Channel(self._url, settings, patience)
        self.name = self._channel.name

    @property
    def abilities(self) -> Abilities:
        """What the server showed at the start."""
        return self._abilities

    async def open(self) -> ModelDescription:
        """Ask for the model, for one token of it, and for what else the server can do."""
        entry = await self._entry()
        self._model = entry.id
        await self._required(_ONE_TOKEN | {"prompt": PROBES[0]})
        self._abilities = Abilities(
            draws=await self._draws(),
            together=await self._most_together(),
            logprobs=await self._greedy(PROBES[0]) is not None,
            raw=await self._is_raw(),
            unscored=await why_unscored(self.name, self._greedy, self._echoed),
        )
        log.info("server asked", extra={"url": self._url} | asdict(self._abilities))
        return ModelDescription(
            pointer=ModelPointer(f"openai:{self._url}#{self._model}"),
            parameters=0,
            architecture="",
            context_length=entry.context_length,
            score_refused=self._abilities.unscored,
        )

    async def sample(self, prompt: Prompt, decoding: Decoding) -> list[Sample]:
        """In one request where the server gives n samples and says what each of them took."""
        if decoding.temperature == 0:
            only = await self._samples(prompt, decoding, range(1))
            return only * decoding.samples
        if not self._abilities.draws:
            raise FailedPrecondition(
                f"decoding.temperature: {self.name} draws the same text whatever the seed; make it "
                "sample, as by a field of its own in STILLHOUSE_BACKEND_EXTRA, or ask for 0"
            )
        size = self._together()
        parts = await together(
            self._samples(prompt, decoding, range(first, min(first + size, decoding.samples)))
            for first in range(0, decoding.samples, size)
        )
        return [sample for part in parts for sample in part]

    async def score(self, item: ScoreItem, per_token: bool) -> Score:
        """By the echo of prefix and continuation, read with their log-probabilities.

        A token that is partly of the prefix counts as the continuation's.
        """
        if self._abilities.unscored:
            raise Unimplemented(f"{self.name} can't score: {self._abilities.unscored}")
        prefix = item.prefix or self._settings.backend_start
        try:
            drawn = await self._echoed(prefix, item.continuation)
        except Refused as error:
            raise InvalidArgument("items", f"{self.name} refuses one: {error}") from None
        return score_of(drawn, prefix, item.continuation, per_token=per_token, by=self.name)

    async def close(self) -> None:
        """Close connections."""
        await self._channel.close()

    def _together(self) -> int:
        """Most samples in one request; without their tokens none could be counted alone."""
        if self._settings.backend_together is False or not self._abilities.logprobs:
            return 1
        return self._abilities.together

    async def _samples(
        self, prompt: Prompt, decoding: Decoding, indexes: Sequence[int]
    ) -> list[Sample]:
        body: dict[str, Any] = {
            "prompt": prompt.text,
            "max_tokens": decoding.max_new_tokens,
            "temperature": decoding.temperature,
            "top_p": decoding.top_p,
            "seed": seed_of(decoding.seed, prompt.id, indexes[0]),
        }
        if len(indexes) > 1:
            body["n"] = len(indexes)
        if self._abilities.logprobs:
            body["logprobs"] = 1
        if self._settings.backend_stop:
            body["stop"] = list(self._settings.backend_stop)
        try:
            answer = await self._complete(body)
        except Refused as error:
            raise InvalidArgument(
                "prompts", f"{self.name} refuses {prompt.id!r}: {error}"
            ) from None
        if len(answer.choices) != len(indexes):
            raise self._channel.strange(f"{len(answer.choices)} choices, not {len(indexes)}")
        plain = self._abilities.raw or untempered(decoding)
        return [
            sample_of(
                choice.text,
                choice.drawn,
                counted=answer.counted if len(indexes) == 1 else None,
                stopped=choice.finish_reason == "stop",
                plain=plain,
            )
            for choice in sorted(answer.choices, key=lambda one: one.index)
        ]

    async def _echoed(self, prefix: str, continuation: str) -> list[Drawn]:
        """The tokens of a text, without what was generated behind it; [] without an echo."""
        text = prefix + continuation
        answer = await self._complete(_ONE_TOKEN | {"prompt": text, "echo": True, "logprobs": 1})
        if not answer.choices or not answer.choices[0].text.startswith(text):
            return []
        drawn = answer.choices[0].drawn
        generated = 1 if answer.counted is None else answer.counted
        shorter = drawn[: len(drawn) - generated]  # some servers leave it out already
        ends = token_ends([token for token, _ in shorter], prefix, continuation)
        return shorter if ends else drawn

    async def _entry(self) -> Entry:
        """The model by its name, or the server's only one."""
        try:
            models = (await self._channel.ask(Models, "GET", "/v1/models")).data
        except (Refused, FailedPrecondition, Unavailable) as error:
            if not self._model:
                kind = Unavailable if isinstance(error, Unavailable) else FailedPrecondition
                raise kind(
                    f"{self.name} does not list its models ({error}); name one in "
                    "STILLHOUSE_BACKEND_MODEL"
                ) from None
            models = []
        if not self._model:
            if len(models) == 1:
                return models[0]
            names = ", ".join(one.id for one in models[:10]) or "none"
            raise FailedPrecondition(
                f"{self.name} has {len(models)} models ({names}); name one in "
                "STILLHOUSE_BACKEND_MODEL"
            )
        named = (one for one in models if one.id == self._model)
        return next(named, Entry(id=self._model))

    async def _required(self, body: dict[str, Any]) -> Completion:
        try:
            return await self._complete(body)
        except Refused as error:
            raise FailedPrecondition(
                f"{self.name} does not complete a prompt with model {self._model!r}: {error}"
            ) from None

    async def _first(self, body: dict[str, Any]) -> Choice | None:
        """The first choice, or None where the server can't do that."""
        return next(iter(await self._tried(body)), None)

    async def _tried(self, body: dict[str, Any]) -> list[Choice]:
        try:
            return (await self._complete(body)).choices
        except (Refused, FailedPrecondition, Unavailable):
            return []

    async def _draws(self) -> bool:
        """Whether two seeds give two texts, hot as they are; believed where it can't be tried."""
        body = {"prompt": PROBES[0], "max_tokens": 16, "temperature": 2.0}
        told = [await self._first(body | {"seed": seed}) for seed in (1, 2)]
        texts = [one.text for one in told if one]
        return len(texts) < 2 or texts[0] != texts[1]

    async def _most_together(self) -> int:
        for many in _TOGETHER:
            body = _ONE_TOKEN | {"prompt": PROBES[0], "temperature": 1.0, "n": many}
            if len(await self._tried(body)) == many:
                return many
        return 1

    async def _is_raw(self) -> bool:
        """Whether the likeliest token is as likely at another temperature."""
        body = _ONE_TOKEN | {"prompt": PROBES[0], "logprobs": 1}
        told = [await self._first(body | {"temperature": value}) for value in (1.0, 2.0)]
        values = [one.highest for one in told if one and one.highest is not None]
        return len(values) == 2 and same(*values)

    async def _greedy(self, prompt: str) -> Drawn | None:
        """The most likely next token, if the server tells its log-probability."""
        choice = await self._first(_ONE_TOKEN | {"prompt": prompt, "logprobs": 1})
        return next(iter(choice.drawn), None) if choice else None

    async def _complete(self, body: dict[str, Any]) -> Completion:
        body = {"model": self._model} | body | self._settings.backend_extra
        return await self._channel.ask(Completion, "POST", "/v1/completions", body)
