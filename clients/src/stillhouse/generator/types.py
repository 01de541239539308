"""What the generator samples and scores."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ModelPointer:
    """Where a model's files are (`uri`, a save_pretrained folder) and the
    SHA-256 they must hash to (`digest`, hex). Generation 0 is the first teacher.
    """

    uri: str
    digest: str = ""
    generation: int = 0


@dataclass(frozen=True, slots=True)
class ModelDescription:
    """The model that a generator has loaded."""

    pointer: ModelPointer
    parameters: int
    architecture: str
    context_length: int


@dataclass(frozen=True, slots=True)
class Decoding:
    """How continuations are sampled.

    `temperature` 0 is greedy; `top_p` is the nucleus mass in (0, 1]; sample i
    of a prompt draws from its own stream of `seed`. `guidance`, in nats, is added to
    tokens that begin or continue a phrase which a constraint still wants.
    """

    samples: int
    max_new_tokens: int
    temperature: float = 1.0
    top_p: float = 1.0
    seed: int = 0
    guidance: float = 0.0


@dataclass(frozen=True, slots=True)
class Literal:
    """A phrase that a text shall hold, or with `exclude` shall not hold.

    It occurs where any of its `forms` (surface variants, at least one) stands as whole
    words. ASCII letters match in either case; for other letters give forms.
    """

    forms: tuple[str, ...]
    exclude: bool = False


@dataclass(frozen=True, slots=True)
class Clause:
    """A disjunction of literals; a text satisfies all clauses it is given."""

    literals: tuple[Literal, ...]


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt with template and chat markup applied; `id` seeds its samples.

    What follows it shall satisfy all clauses of `constraints`.
    """

    id: str
    text: str
    constraints: tuple[Clause, ...] = ()


@dataclass(frozen=True, slots=True)
class Sample:
    """One continuation: text, generated tokens with the end token, and the sum
    of their log-probabilities in nats at temperature 1. `finished` is False
    where the limit cut it. `clauses[i]` tells whether it satisfies constraint i.
    """

    text: str
    tokens: int
    logprob: float
    finished: bool
    clauses: tuple[bool, ...] = ()


@dataclass(frozen=True, slots=True)
class ScoreItem:
    """A continuation to score after a prefix, which may be empty."""

    prefix: str
    continuation: str


@dataclass(frozen=True, slots=True)
class Score:
    """Log-likelihood of a continuation in nats, and its number of tokens.

    With `per_token`, `token_logprobs[i]` belongs to the token that ends at
    character `token_ends[i]` of the continuation.
    """

    logprob: float
    tokens: int
    token_logprobs: tuple[float, ...] = ()
    token_ends: tuple[int, ...] = ()
