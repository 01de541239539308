"""From documents to prompts, and from prompts to the batches that are given out."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from stillhouse.errors import InvalidArgument
from stillhouse.generator.types import Beam, Decoding, Infgram
from stillhouse.recipe import PromptTemplate, Recipe

if TYPE_CHECKING:
    from transformers.tokenization_utils_base import PreTrainedTokenizerBase

_T = TypeVar("_T")


def make_prompt(text: str, prompt: PromptTemplate, tokenizer: PreTrainedTokenizerBase) -> str:
    """The prompt for a document's text, chat markup applied where the recipe asks for it."""
    filled = prompt.template.replace("{document}", text)
    if not prompt.chat:
        return filled
    if tokenizer.chat_template is None:
        raise InvalidArgument(
            "recipe.prompt.chat", "the model has no chat template; set it to false"
        )
    message = [{"role": "user", "content": filled}]
    return str(tokenizer.apply_chat_template(message, tokenize=False, add_generation_prompt=True))


def decoding_of(recipe: Recipe, generation: int) -> Decoding:
    """How a generation samples; each has a seed of its own, derived from the run's."""
    settings = recipe.generation
    return Decoding(
        samples=settings.samples,
        max_new_tokens=settings.max_new_tokens,
        temperature=settings.temperature,
        top_p=settings.top_p,
        seed=derived_seed(recipe.seed, f"generation {generation}"),
        beam=Beam(width=settings.beam, enough=2 * settings.beam) if settings.beam else None,
        guidance=recipe.constraints.guidance if recipe.constraints.active else 0.0,
        infgram=Infgram(**settings.infgram.model_dump()) if settings.infgram.active else None,
    )


def derived_seed(seed: int, purpose: str) -> int:
    """A seed below 2**63 for one purpose, from the run's seed."""
    digest = hashlib.sha256(f"{seed}\0{purpose}".encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1


@dataclass(frozen=True, slots=True)
class Plan:
    """Which documents a generation may use: `batches` batches of `size` from `start` on."""

    start: int
    size: int
    batches: int

    def documents(self, documents: Sequence[_T], batch: int) -> Sequence[_T]:
        """The documents of one batch; the last of a corpus may have fewer than `size`."""
        first = self.start + batch * self.size
        return documents[first : first + self.size]


def make_plan(recipe: Recipe, documents: int, start: int) -> Plan:
    """The plan of a generation over a corpus of `documents`, those from `start` on unused.

    It ends with the candidate budget, or with the corpus if that comes first; a document
    that was used is never used again. Without unused documents it has no batches.
    InvalidArgument if the budget does not pay for a single document.
    """
    settings = recipe.generation
    affordable = settings.budget // settings.samples
    if affordable == 0:
        raise InvalidArgument(
            "recipe.generation.budget",
            f"pays for no document: one takes {settings.samples} candidates",
        )
    unused = max(0, documents - start)
    size = min(settings.documents_per_batch, affordable)
    batches = math.ceil(unused / size) if unused <= affordable else affordable // size
    return Plan(start, size, batches)
