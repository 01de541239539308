"""Any server of OpenAI's completions (POST /v1/completions): vLLM, SGLang, llama.cpp, ...

What servers differ in is found out at the start, by requests for one token each: several
samples in one request (n), log-probabilities (logprobs), and those of the prompt (echo).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

import httpx2
from pydantic import BaseModel, ValidationError

from services.generator.backends.alignment import Drawn, score_of, token_ends
from services.generator.backends.completions import (
    Completion,
    Entry,
    Models,
    sample_of,
)
from services.generator.backends.patience import Patience, Transient
from services.generator.backends.remote import checked_url, pointer_to, seed_of, together
from services.generator.settings import GeneratorSettings
from stillhouse.errors import FailedPrecondition, InvalidArgument, Unavailable, Unimplemented
from stillhouse.generator.types import (
    Decoding,
    ModelDescription,
    Prompt,
    Sample,
    Score,
    ScoreItem,
)

log = logging.getLogger(__name__)

# One, since to some servers no token means any number.
_ONE_TOKEN = {"max_tokens": 1, "temperature": 0.0}
_PROBES = ("The capital of France is", "One, two, three, four,", "Once upon a")
_SAME = 0.1  # nats; a batch of another shape is computed with other roundings
_MOST_TOGETHER = 64  # samples in one request
_REFUSED = (400, 404, 405, 413, 422, 501)  # a request that no repetition makes better


_A = TypeVar("_A", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Abilities:
    """What a server can do beyond one sample of one prompt."""

    together: bool = False
    logprobs: bool = False
    unscored: str = ""  # why it can't score, if it can't


class _Refused(Exception):
    """The server said what is wrong with a request."""


class CompletionsServer:
    """Speaks to one model of one server."""

    def __init__(
        self,
        settings: GeneratorSettings,
        patience: Patience | None = None,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        self._url = checked_url(settings.backend_url).removesuffix("/v1")
        self._settings = settings
        self._model = settings.backend_model
        self._abilities = Abilities()
        self._patience = patience or Patience(
            settings.backend_attempts, settings.backend_connections
        )
        key = settings.backend_api_key.get_secret_value()
        self._client = httpx2.AsyncClient(
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=settings.backend_timeout,
            transport=transport,
        )
        self.name = f"the server at {self._url}"

    @property
    def abilities(self) -> Abilities:
        """What the server showed at the start."""
        return self._abilities

    async def open(self) -> ModelDescription:
        """Ask for the model, for one token of it, and for what else the server can do."""
        entry = await self._entry()
        self._model = entry.id
        await self._required(_ONE_TOKEN | {"prompt": _PROBES[0]})
        self._abilities = Abilities(
            together=await self._gives_two(),
            logprobs=await self._greedy(_PROBES[0]) is not None,
            unscored=await self._unscored(),
        )
        log.info("server asked", extra={"url": self._url} | asdict(self._abilities))
        return ModelDescription(
            pointer=pointer_to("openai", self._url, self._model),
            parameters=0,
            architecture="",
            context_length=entry.context_length,
        )

    async def sample(self, prompt: Prompt, decoding: Decoding) -> list[Sample]:
        """In one request where the server gives n samples and says what each of them took."""
        if decoding.temperature == 0:
            only = await self._samples(prompt, decoding, range(1))
            return only * decoding.samples
        size = _MOST_TOGETHER if self._asks_together() else 1
        parts = await together(
            self._samples(prompt, decoding, range(first, min(first + size, decoding.samples)))
            for first in range(0, decoding.samples, size)
        )
        return [sample for part in parts for sample in part]

    def _asks_together(self) -> bool:
        wanted = self._settings.backend_together is not False
        return wanted and self._abilities.together and self._abilities.logprobs

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
        except _Refused as error:
            raise InvalidArgument(
                "prompts", f"{self.name} refuses {prompt.id!r}: {error}"
            ) from None
        if len(answer.choices) != len(indexes):
            raise self._strange(f"{len(answer.choices)} choices instead of {len(indexes)}")
        counted = answer.counted if len(indexes) == 1 else None
        choices = sorted(answer.choices, key=lambda one: one.index)
        return [sample_of(choice, counted) for choice in choices]

    async def score(self, item: ScoreItem, per_token: bool) -> Score:
        """By the echo of prefix and continuation, read with their log-probabilities.

        A token that is partly of the prefix counts as the continuation's.
        """
        if self._abilities.unscored:
            raise Unimplemented(f"{self.name} can't score: {self._abilities.unscored}")
        prefix = item.prefix or self._settings.backend_start
        try:
            drawn = await self._echoed(prefix, item.continuation)
        except _Refused as error:
            raise InvalidArgument("items", f"{self.name} refuses one: {error}") from None
        return score_of(drawn, prefix, item.continuation, per_token=per_token, by=self.name)

    async def _echoed(self, prefix: str, continuation: str) -> list[Drawn]:
        """The tokens of a text, without what was generated behind it."""
        answer = await self._complete(
            _ONE_TOKEN | {"prompt": prefix + continuation, "echo": True, "logprobs": 1}
        )
        drawn = answer.choices[0].drawn if answer.choices else []
        generated = 1 if answer.counted is None else answer.counted
        shorter = drawn[: len(drawn) - generated]  # some servers leave it out already
        ends = token_ends([token for token, _ in shorter], prefix, continuation)
        return shorter if ends else drawn

    async def close(self) -> None:
        """Close connections."""
        await self._client.aclose()

    async def _entry(self) -> Entry:
        """The model by its name, or the server's only one."""
        try:
            models = (await self._ask(Models, "GET", "/v1/models")).data
        except (_Refused, FailedPrecondition, Unavailable) as error:
            if not self._model:
                reason = f"{self.name} does not list its models ({error})"
                if isinstance(error, Unavailable):
                    raise Unavailable(reason) from None
                raise FailedPrecondition(
                    f"{reason}; name one in STILLHOUSE_BACKEND_MODEL"
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
        except _Refused as error:
            raise FailedPrecondition(
                f"{self.name} does not complete a prompt with model {self._model!r}: {error}"
            ) from None

    async def _tried(self, body: dict[str, Any]) -> Completion:
        """The answer, or an empty one where the server can't do that."""
        try:
            return await self._complete(body)
        except (_Refused, FailedPrecondition, Unavailable):
            return Completion(choices=[])

    async def _gives_two(self) -> bool:
        body = _ONE_TOKEN | {"prompt": _PROBES[0], "temperature": 1.0, "n": 2}
        return len((await self._tried(body)).choices) == 2

    async def _greedy(self, prompt: str) -> Drawn | None:
        """The most likely next token, if the server tells its log-probability."""
        choices = (await self._tried(_ONE_TOKEN | {"prompt": prompt, "logprobs": 1})).choices
        return choices[0].drawn[0] if choices and choices[0].drawn else None

    async def _unscored(self) -> str:
        """Why the server can't score; "" if it can.

        What it draws must be as likely when it is read: some servers give each token of an
        echo the log-probability of another place.
        """
        for prompt in _PROBES:
            token, drawn = await self._greedy(prompt) or ("", None)
            try:
                echoed = await self._echoed(prompt, token)
            except (_Refused, FailedPrecondition, Unavailable) as error:
                return f"it does not echo a prompt with logprobs ({error})"
            if all(value is None for _, value in echoed):
                return "it does not give the log-probabilities of a prompt (echo with logprobs)"
            read, value = echoed[-1]
            if not token.strip() or read != token or drawn is None or value is None:
                continue
            if abs(drawn - value) < _SAME:
                return ""
            return (
                f"what it draws with log-probability {drawn:.3f} it reads with {value:.3f}: its "
                "echo is not to be trusted"
            )
        log.warning("%s: the log-probabilities of its echo could not be checked", self.name)
        return ""

    async def _complete(self, body: dict[str, Any]) -> Completion:
        body = {"model": self._model} | body | self._settings.backend_extra
        return await self._ask(Completion, "POST", "/v1/completions", body)

    async def _ask(self, kind: type[_A], method: str, path: str, body: Any = None) -> _A:
        return await self._patience.ask(lambda: self._once(kind, method, path, body))

    async def _once(self, kind: type[_A], method: str, path: str, body: Any) -> _A:
        try:
            answer = await self._client.request(method, self._url + path, json=body)
        except httpx2.TransportError as error:
            reason = str(error) or type(error).__name__
            raise Transient(f"{self.name} does not answer: {reason}") from None
        if answer.is_success:
            try:
                return kind.model_validate_json(answer.content)
            except ValidationError as error:
                first = error.errors()[0]
                place = ".".join(map(str, first["loc"]))
                raise self._strange(f"{place or 'its answer'}: {first['msg']}") from None
        raise self._failure(answer)

    def _failure(self, answer: httpx2.Response) -> Exception:
        status, told = answer.status_code, _message(answer)
        if status == 429 or (status >= 500 and status != 501):
            busy = status == 429
            wait = _seconds(answer.headers.get("retry-after", ""))
            return Transient(f"{self.name}: {status} {told}", busy=busy, retry_after=wait)
        if status in (401, 403):
            return FailedPrecondition(
                f"{self.name} refuses the key: {told}; set STILLHOUSE_BACKEND_API_KEY"
            )
        if status in _REFUSED:
            return _Refused(f"{status} {told}")
        return self._strange(f"{status} {told}")

    def _strange(self, what: str) -> FailedPrecondition:
        return FailedPrecondition(
            f"{self.name} does not answer as a server of completions does: {what}"
        )


def _message(answer: httpx2.Response) -> str:
    """What a server says of an error, on one line."""
    text = answer.text
    try:
        told = answer.json()
        error = told.get("error", told) if isinstance(told, dict) else told
        if isinstance(error, dict):
            error = error.get("message") or error.get("detail") or error
        text = str(error)
    except ValueError:
        pass
    return " ".join(text.split())[:300]


def _seconds(header: str) -> float:
    try:
        return max(0.0, float(header))
    except ValueError:  # a date, or nothing
        return 0.0
