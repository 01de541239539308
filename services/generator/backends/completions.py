"""What servers of completions send."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from services.generator.backends.drawn import Drawn


class Likely(BaseModel):
    """A token that was likely, in llama.cpp's form."""

    logprob: float | None = None


class Token(BaseModel):
    """One token in llama.cpp's form."""

    token: str
    logprob: float | None = None
    top_logprobs: list[Likely] | None = None


class Logprobs(BaseModel):
    """Both forms in use: lists side by side (OpenAI), or a list of tokens (llama.cpp)."""

    tokens: list[str] | None = None
    token_logprobs: list[float | None] | None = None
    top_logprobs: list[dict[str, float] | None] | None = None
    content: list[Token] | None = None

    @property
    def drawn(self) -> list[Drawn]:
        """Either form as pairs."""
        if self.content:
            return [(one.token, one.logprob) for one in self.content]
        return list(zip(self.tokens or [], self.token_logprobs or [], strict=False))

    @property
    def highest(self) -> float | None:
        """The log-probability of what was likeliest in place of the first token."""
        if self.content:
            values = [one.logprob for one in self.content[0].top_logprobs or []]
        else:
            first = next(iter(self.top_logprobs or []), None)
            values = list((first or {}).values())
        return max((value for value in values if value is not None), default=None)


class Choice(BaseModel):
    """One continuation, or with echo the prompt before it too."""

    text: str
    index: int = 0
    finish_reason: str | None = None
    logprobs: Logprobs | None = None

    @property
    def drawn(self) -> list[Drawn]:
        """Its tokens, if the server tells them."""
        return self.logprobs.drawn if self.logprobs else []

    @property
    def highest(self) -> float | None:
        """As `Logprobs.highest`, if the server tells it."""
        return self.logprobs.highest if self.logprobs else None


class Usage(BaseModel):
    """Tokens that a request took."""

    completion_tokens: int | None = None


class Completion(BaseModel):
    """The answer to one request."""

    choices: list[Choice]
    usage: Usage | None = None

    @property
    def counted(self) -> int | None:
        """Tokens of all choices."""
        return self.usage.completion_tokens if self.usage else None


class Entry(BaseModel):
    """A model that the server has; vLLM and llama.cpp tell its context in their own ways."""

    id: str
    max_model_len: int | None = None
    meta: dict[str, Any] | None = None

    @property
    def context_length(self) -> int:
        """In tokens; 0 if the server does not say."""
        length = self.max_model_len or (self.meta or {}).get("n_ctx_train") or 0
        return length if isinstance(length, int) else 0


class Models(BaseModel):
    """All that it has."""

    data: list[Entry]
