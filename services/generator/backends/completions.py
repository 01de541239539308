"""What servers of completions send: their answers, and what is read from them."""

from __future__ import annotations

import math
from typing import Any

from pydantic import BaseModel

from services.generator.lines import first_line, tokens_of_first_line
from stillhouse.generator.types import Sample

Drawn = tuple[str, float | None]
"""A token and its log-probability, where that is known."""


class Token(BaseModel):
    token: str
    logprob: float | None = None


class Logprobs(BaseModel):
    """Both forms in use: lists side by side (OpenAI), or a list of tokens (llama.cpp)."""

    tokens: list[str] = []
    token_logprobs: list[float | None] = []
    content: list[Token] = []

    def pairs(self) -> list[Drawn]:
        if self.content:
            return [(one.token, one.logprob) for one in self.content]
        return list(zip(self.tokens, self.token_logprobs, strict=False))


class Choice(BaseModel):
    text: str
    index: int = 0
    finish_reason: str | None = None
    logprobs: Logprobs | None = None

    def pairs(self) -> list[Drawn]:
        return self.logprobs.pairs() if self.logprobs else []


class Usage(BaseModel):
    completion_tokens: int | None = None


class Completion(BaseModel):
    choices: list[Choice]
    usage: Usage | None = None

    @property
    def counted(self) -> int | None:
        """Tokens of all choices."""
        return self.usage.completion_tokens if self.usage else None


class Entry(BaseModel):
    id: str
    max_model_len: int | None = None
    meta: dict[str, Any] | None = None

    @property
    def context_length(self) -> int:
        length = self.max_model_len or (self.meta or {}).get("n_ctx_train") or 0
        return length if isinstance(length, int) else 0


class Models(BaseModel):
    data: list[Entry]


def sample_of(choice: Choice, counted: int | None) -> Sample:
    pairs = choice.pairs()
    tokens = tokens_of_first_line([token for token, _ in pairs])
    values = [value for _, value in pairs[:tokens]]
    known = [value for value in values if value is not None]
    return Sample(
        text=first_line(choice.text),
        tokens=tokens or counted or 0,
        logprob=math.fsum(known) if known and len(known) == len(values) else math.nan,
        finished=choice.finish_reason == "stop" or "\n" in choice.text.lstrip(),
    )


def prompt_tokens(answer: Completion) -> list[Drawn]:
    """Tokens of the prompt, without what was generated behind it."""
    pairs = answer.choices[0].pairs()
    generated = 1 if answer.counted is None else answer.counted
    return pairs[: len(pairs) - generated]
