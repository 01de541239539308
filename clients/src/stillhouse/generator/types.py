"""What the generator samples and scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


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
    """The model that a generator has loaded.

    Where a generator can't decode under constraints or with a beam, can't score, or can't
    load another model, `constraints_refused`, `score_refused` and `load_refused` say why.
    `indexes` are those that it can mix in while it decodes, name or alias to digest; the
    empty name stands for the only one. `infgram_refused` says why there are none.
    """

    pointer: ModelPointer
    parameters: int
    architecture: str
    context_length: int
    constraints_refused: str = ""
    score_refused: str = ""
    load_refused: str = ""
    infgram_refused: str = ""
    indexes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Beam:
    """How a beam is searched under constraints (NeuroLogic decoding).

    width: hypotheses kept. prune: candidates that are less likely than that many others
    are dropped. tolerance: so are those that meet that many fewer clauses than the best.
    progress: weight, in nats a token, of the matched share of a literal under way.
    length_penalty: a text is ranked by logprob / length ** length_penalty.
    no_repeat: no n-gram of this size twice (0: allowed). enough: the search is over when
    that many texts have ended (0: as many as the beam is wide). look_ahead: tokens that
    are looked ahead (0: none), `branches` ways, and weighed with `strength`.
    """

    width: int = 20
    prune: int = 500
    tolerance: int = 2
    progress: float = 0.25
    length_penalty: float = 1.0
    no_repeat: int = 3
    min_tokens: int = 0
    enough: int = 0
    look_ahead: int = 0
    branches: int = 1
    strength: float = 0.25


@dataclass(frozen=True, slots=True)
class Infgram:
    """An n-gram index with n = infinity beside a model, mixed in at every token.

    P = (1 - w) P_model + w P_ngram with w = `sparse_weight` where one single token can follow
    by the index, `weight` where several can (Liu et al. 2024, section 4), and 0 where the
    longest suffix of the text that occurs has fewer than `min_suffix` tokens, at least 1.
    `index` is a name at the index service, empty for its only one; `digest` the SHA-256 that
    it must have, empty for any.
    """

    weight: float
    sparse_weight: float
    min_suffix: int = 1
    index: str = ""
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Decoding:
    """How continuations are sampled.

    `temperature` 0 is greedy; `top_p` is the nucleus mass in (0, 1]; sample i
    of a prompt draws from its own stream of `seed`. `guidance`, in nats, is added to
    tokens that begin or continue a phrase which a constraint still wants. With `beam`
    the best `samples` texts are searched for instead, and none of these matters. With
    `infgram` all of it applies to the mixture with an index; a beam can't be searched so.
    """

    samples: int
    max_new_tokens: int
    temperature: float = 1.0
    top_p: float = 1.0
    seed: int = 0
    guidance: float = 0.0
    beam: Beam | None = None
    infgram: Infgram | None = None


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
class Step:
    """A word of a passage as written, or several that belong together. `weight` tells how much is
    lost where it is left out; one that is `fixed` can't be. Without weight it is a function word,
    which leads the phrase behind it, or `loose`, an article, which may go by itself. What follows
    one that `binds`, a verb's auxiliary, stays. A clause ends behind one that `closes`.
    """

    text: str
    weight: int = 1
    fixed: bool = False
    loose: bool = False
    closes: bool = False
    binds: bool = False


@dataclass(frozen=True, slots=True)
class Outline:
    """Passages that a text is a compression of: one sentence, made of the words of one of them
    in its order, and of `fillers` where words were left out.

    What may go: articles; modifiers (words of weight between two that stay, the first of which
    does not bind); a phrase behind a word of weight, nothing in it that binds, up to the next
    function word or the end of a clause or of the passage; whole clauses, also before the first
    word.

    skip: weight that may be left out between two words that stay (at the beginning and at the
    end: any). run: most words in a row as they stand in the passage. least: weight that a text
    has before it may end.
    """

    passages: tuple[tuple[Step, ...], ...]
    fillers: tuple[str, ...] = ()
    skip: int = 2
    run: int = 8
    least: int = 5


@dataclass(frozen=True, slots=True)
class Contrast:
    """What a prompt is told apart from: classifier-free guidance (Sanchez et al. 2024, section 2).

    At every token log P = log P_others + guidance_scale * (log P_prompt - log P_others), and then
    normalised; P_others is the mean over `negative_prompts`, at least one. 1: the prompt by itself.
    """

    negative_prompts: tuple[str, ...]
    guidance_scale: float


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt with template and chat markup applied; `id` seeds its samples.

    What follows it shall satisfy all clauses of `constraints`, and be written along `outline`.
    Neither an outline nor `contrast` goes with a beam.
    """

    id: str
    text: str
    constraints: tuple[Clause, ...] = ()
    outline: Outline | None = None
    contrast: Contrast | None = None


@dataclass(frozen=True, slots=True)
class Sample:
    """One continuation: text, generated tokens with the end token, and the sum
    of their log-probabilities in nats at temperature 1, NaN where not known. `finished` is False
    where the limit cut it. `clauses[i]` tells whether it satisfies constraint i; the last one
    of a prompt with an outline, whether it is written along that.
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
