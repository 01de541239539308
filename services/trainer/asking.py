"""How one model is asked about documents, and the pairs that teach a student the same."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from services.trainer.prompts import make_prompt
from services.trainer.students.pairs import Pair
from stillhouse.control import NOTHING, Buckets, in_turn, measured
from stillhouse.corpus import SourceDocument
from stillhouse.filter.types import Document
from stillhouse.generator.types import Contrast, Prompt
from stillhouse.recipe import Control, PromptTemplate, Recipe


@dataclass(frozen=True)
class Asking:
    """Prompts for the models that share a tokenizer; `control` has the codes they are asked by."""

    prompt: PromptTemplate
    tokenizer: PreTrainedTokenizerBase
    control: Control = field(default_factory=Control)

    @classmethod
    def teacher(cls, recipe: Recipe, tokenizer: PreTrainedTokenizerBase) -> Asking:
        """Of the first teacher and its experts, which are asked by codes in words alone."""
        return cls(recipe.prompt, tokenizer, expert_recipe(recipe).control)

    @classmethod
    def student(cls, recipe: Recipe, tokenizer: PreTrainedTokenizerBase) -> Asking:
        """Of a student, which may come from a model without a chat template."""
        chat = recipe.prompt.chat and tokenizer.chat_template is not None
        return cls(recipe.prompt.model_copy(update={"chat": chat}), tokenizer, recipe.control)

    def about(self, text: str, asked: Buckets = NOTHING) -> str:
        """The prompt for a document's text, the code of what is asked for behind the text."""
        return make_prompt(asked.behind(text, self.control), self.prompt, self.tokenizer)

    def prompt_for(self, source_id: str, text: str, asked: Buckets) -> Prompt:
        """The prompt for a document, told apart from other buckets where the recipe says so."""
        contrast = None
        if self.control.guided and asked != NOTHING:
            others = tuple(self.about(text, one) for one in asked.others(self.control))
            contrast = Contrast(others, self.control.guidance_scale)
        return Prompt(source_id, self.about(text, asked), contrast=contrast)

    def each(self, documents: Iterable[SourceDocument]) -> dict[str, str]:
        """Prompts by document id."""
        return {one.id: self.about(one.text) for one in documents}


def asked_in_turn(
    asking: Asking, documents: Sequence[SourceDocument]
) -> Callable[[Document], Prompt]:
    """Makes the prompt for one of the documents, for the buckets that its turn brings."""
    places = {one.id: place for place, one in enumerate(documents)}

    def prompt(document: Document) -> Prompt:
        return asking.prompt_for(
            document.id, document.text, in_turn(places[document.id], asking.control)
        )

    return prompt


def pairs_of(rows: Sequence[Mapping[str, Any]], asking: Asking, seed: int) -> list[Pair]:
    """What the accepted samples teach; `rows` are those of a dataset.

    A share of `control.unasked` has no code, so that a student also answers without one.
    """
    rng = random.Random(seed)
    pairs = []
    for row in rows:
        document, target = row["document"], row["summary"]
        buckets = measured(document, target, asking.control)
        told = NOTHING if rng.random() < asking.control.unasked else buckets
        prompt = asking.about(document, told)
        pairs.append(Pair(prompt, target, row["source_id"], buckets.code(asking.control)))
    return pairs


def expert_recipe(recipe: Recipe) -> Recipe:
    """The recipe by which a teacher is trained on its own survivors: whole, and by no codes but
    those that it is asked by.
    """
    student = recipe.student.model_copy(update={"layers": 0})
    control = recipe.control if recipe.control.in_words else Control()
    return recipe.model_copy(update={"student": student, "control": control})
