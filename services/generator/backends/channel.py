"""HTTP to a server of models: JSON in, typed answers out, failures told apart."""

from __future__ import annotations

from typing import Any, TypeVar

import httpx2
from pydantic import BaseModel, ValidationError

from services.generator.backends.patience import Patience, Refused, Transient
from services.generator.settings import GeneratorSettings
from stillhouse.errors import FailedPrecondition

_REFUSED = (400, 404, 405, 413, 422, 501)

_A = TypeVar("_A", bound=BaseModel)


class Channel:
    """Requests to one server, repeated with patience.

    They raise Refused, FailedPrecondition if what answers is no such server or refuses the
    key, and Unavailable or ResourceExhausted at the end of the patience.
    """

    def __init__(self, url: str, settings: GeneratorSettings, patience: Patience) -> None:
        self.name = f"the server at {url}"
        self._url = url
        self._patience = patience
        key = settings.backend_api_key.get_secret_value()
        self._client = httpx2.AsyncClient(
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=settings.backend_timeout,
        )

    async def ask(self, kind: type[_A], method: str, path: str, body: Any = None) -> _A:
        """The answer, as `kind`."""
        return await self._patience.ask(lambda: self._once(kind, method, path, body))

    async def close(self) -> None:
        """Close connections."""
        await self._client.aclose()

    def strange(self, what: str) -> FailedPrecondition:
        """What to raise for an answer that makes no sense."""
        return FailedPrecondition(
            f"{self.name} does not answer as a server of completions does: {what}"
        )

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
                raise self.strange(f"{place or 'its answer'}: {first['msg']}") from None
        raise self._failure(answer)

    def _failure(self, answer: httpx2.Response) -> Exception:
        status, told = answer.status_code, _message(answer)
        if status == 429 or (status >= 500 and status != 501):
            wait = _seconds(answer.headers.get("retry-after", ""))
            return Transient(f"{self.name}: {status} {told}", busy=status == 429, retry_after=wait)
        if status in (401, 403):
            return FailedPrecondition(
                f"{self.name} refuses the key: {told}; set STILLHOUSE_BACKEND_API_KEY"
            )
        if status in _REFUSED:
            return Refused(f"{status} {told}")
        return self.strange(f"{status} {told}")


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
