"""A server of text-generation-inference, by its client package `text-generation`.

The package needs huggingface-hub below 1.0, transformers one above: nothing here or in what
it imports may need transformers or torch.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import aiohttp
import pydantic
import text_generation.errors as told
from text_generation import AsyncClient
from text_generation.types import BestOfSequence, Details, FinishReason, Response

from services.generator.backends.alignment import score_of
from services.generator.backends.drawn import Drawn, sample_of
from services.generator.backends.patience import Patience, Refused, Transient
from services.generator.backends.probing import PROBES, why_unscored
from services.generator.backends.remote import checked_url, seed_of, together, untempered
from services.generator.settings import GeneratorSettings
from stillhouse.errors import FailedPrecondition, InvalidArgument, Unimplemented
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

_BUSY = (told.OverloadedError, told.RateLimitExceededError)
_PASSING = (
    told.GenerationError,
    told.IncompleteGenerationError,
    told.ShardNotReadyError,
    told.ShardTimeoutError,
    told.UnknownError,
)
_REFUSED = (told.ValidationError, told.BadRequestError)


class Info(pydantic.BaseModel):
    """What GET /info tells, as far as it is used; `max_total_tokens` came with 1.0."""

    model_id: str
    model_sha: str | None = None
    max_total_tokens: int = 0
    max_best_of: int = 1


class TgiServer:
    """Speaks to the one model of one server."""

    def __init__(self, settings: GeneratorSettings, patience: Patience) -> None:
        self._url = checked_url(settings.backend_url)
        self._settings = settings
        self._patience = patience
        self._best_of = 1
        self._unscored = ""
        key = settings.backend_api_key.get_secret_value()
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._client = AsyncClient(
            self._url, headers=self._headers, timeout=settings.backend_timeout
        )
        self.name = f"the TGI server at {self._url}"

    async def open(self) -> ModelDescription:
        """Ask for the model, for one token of it, and whether it gives those of a prompt."""
        info = await self._patience.ask(self._info)
        if self._settings.backend_model not in ("", info.model_id):
            raise FailedPrecondition(
                f"{self.name} serves {info.model_id}, not {self._settings.backend_model}, which "
                "STILLHOUSE_BACKEND_MODEL names"
            )
        self._best_of = max(1, info.max_best_of)
        try:
            await self._generate(PROBES[0], max_new_tokens=1)
        except Refused as error:
            raise FailedPrecondition(f"{self.name} does not complete a prompt: {error}") from None
        self._unscored = await why_unscored(self.name, self._greedy, self._read)
        log.info(
            "server asked",
            extra={"url": self._url, "best_of": self._best_of, "unscored": self._unscored},
        )
        revision = f"@{info.model_sha}" if info.model_sha else ""
        return ModelDescription(
            pointer=ModelPointer(f"tgi:{self._url}#{info.model_id}{revision}"),
            parameters=0,
            architecture="",
            context_length=info.max_total_tokens,
            score_refused=self._unscored and self._why_unscored(),
        )

    async def sample(self, prompt: Prompt, decoding: Decoding) -> list[Sample]:
        """One request a sample, each with a seed of its own.

        With backend_together as many of them as the server's best_of allows, without seeds:
        it takes none then.
        """
        if decoding.temperature == 0:
            return await self._samples(prompt, decoding, range(1)) * decoding.samples
        size = self._best_of if self._settings.backend_together else 1
        parts = await together(
            self._samples(prompt, decoding, range(first, min(first + size, decoding.samples)))
            for first in range(0, decoding.samples, size)
        )
        return [sample for part in parts for sample in part]

    async def score(self, item: ScoreItem, per_token: bool) -> Score:
        """By the details of the input, prefix and continuation.

        A token that is partly of the prefix counts as the continuation's.
        """
        if self._unscored:
            raise Unimplemented(self._why_unscored())
        prefix = item.prefix or self._settings.backend_start
        try:
            drawn = await self._read(prefix, item.continuation)
        except Refused as error:
            raise InvalidArgument("items", f"{self.name} refuses one: {error}") from None
        return score_of(drawn, prefix, item.continuation, per_token=per_token, by=self.name)

    async def close(self) -> None:
        """Nothing to close: the package opens a connection for each request."""

    def _why_unscored(self) -> str:
        return (
            f"{self.name} can't score: {self._unscored}; TGI 3 gives them when it is started with "
            "--enable-prefill-logprobs"
        )

    async def _samples(
        self, prompt: Prompt, decoding: Decoding, indexes: Sequence[int]
    ) -> list[Sample]:
        many = len(indexes)
        parameters: dict[str, Any] = {"max_new_tokens": decoding.max_new_tokens}
        if self._settings.backend_stop:
            parameters["stop_sequences"] = list(self._settings.backend_stop)
        if decoding.temperature > 0:
            parameters |= {"do_sample": True, "temperature": decoding.temperature}
            if decoding.top_p < 1:
                parameters["top_p"] = decoding.top_p
            if many > 1:
                parameters["best_of"] = many
            else:
                parameters["seed"] = seed_of(decoding.seed, prompt.id, indexes[0])
        try:
            answer = await self._generate(prompt.text, **parameters)
        except Refused as error:
            raise InvalidArgument(
                "prompts", f"{self.name} refuses {prompt.id!r}: {error}"
            ) from None
        plain = untempered(decoding)
        others = answer.details.best_of_sequences or []
        if 1 + len(others) != many:
            raise self._strange(f"{1 + len(others)} sequences, not {many}")
        first = self._sample(answer.generated_text, answer.details, plain)
        return [first, *(self._sample(one.generated_text, one, plain) for one in others)]

    def _sample(self, text: str, details: Details | BestOfSequence, plain: bool) -> Sample:
        """One sequence; TGI leaves the stop string at its end."""
        if details.finish_reason == FinishReason.StopSequence:
            ends = (text.removesuffix(stop) for stop in self._settings.backend_stop)
            text = min(ends, key=len, default=text)
        return sample_of(
            text,
            [(token.text, token.logprob) for token in details.tokens],
            counted=details.generated_tokens,
            stopped=details.finish_reason != FinishReason.Length,
            plain=plain,
        )

    async def _greedy(self, prompt: str) -> Drawn | None:
        tokens = (await self._generate(prompt, max_new_tokens=1)).details.tokens
        return (tokens[0].text, tokens[0].logprob) if tokens else None

    async def _read(self, prefix: str, continuation: str) -> list[Drawn]:
        """The tokens of a text; [] from a server that does not give them."""
        answer = await self._generate(
            prefix + continuation, max_new_tokens=1, decoder_input_details=True
        )
        return [(token.text, token.logprob) for token in answer.details.prefill]

    async def _generate(self, prompt: str, **parameters: Any) -> Response:
        return await self._patience.ask(lambda: self._once(prompt, parameters))

    async def _once(self, prompt: str, parameters: dict[str, Any]) -> Response:
        """One request; the package's errors and those it lets through, told apart."""
        try:
            return await self._client.generate(prompt, **parameters)
        except _REFUSED as error:
            raise Refused(str(error)) from None
        except _BUSY as error:
            raise Transient(f"{self.name}: {error}", busy=True) from None
        except _PASSING as error:
            raise Transient(f"{self.name}: {error}") from None
        except aiohttp.ClientResponseError as error:  # an answer that is not JSON
            raise self._by_status(error.status, error.message) from None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise self._away(error) from None
        except (told.NotFoundError, pydantic.ValidationError, LookupError, TypeError) as error:
            raise self._strange(f"{type(error).__name__}: {error}") from None

    async def _info(self) -> Info:
        timeout = aiohttp.ClientTimeout(self._settings.backend_timeout)
        try:
            async with (
                aiohttp.ClientSession(headers=self._headers, timeout=timeout) as session,
                session.get(f"{self._url}/info") as answer,
            ):
                if answer.status != 200:
                    raise self._by_status(answer.status, answer.reason or "")
                return Info.model_validate_json(await answer.read())
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise self._away(error) from None
        except pydantic.ValidationError as error:
            raise self._strange(f"/info: {error.errors()[0]['msg']}") from None

    def _away(self, error: Exception) -> Transient:
        return Transient(f"{self.name} does not answer: {str(error) or type(error).__name__}")

    def _by_status(self, status: int, reason: str) -> Exception:
        if status == 429 or status >= 500:
            return Transient(f"{self.name}: {status} {reason}", busy=status == 429)
        if status in (401, 403):
            return FailedPrecondition(
                f"{self.name} refuses the key ({status}); set STILLHOUSE_BACKEND_API_KEY"
            )
        return self._strange(f"{status} {reason}")

    def _strange(self, what: str) -> FailedPrecondition:
        return FailedPrecondition(f"{self.name} does not answer as TGI does: {what}")
