"""The documents of a recipe: those to train on and those held out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from stillhouse import corpus
from stillhouse.corpus import SourceDocument
from stillhouse.recipe import Recipe


def documents_of(recipe: Recipe) -> tuple[list[SourceDocument], list[SourceDocument]]:
    """Training and held-out documents, read anew; only what has a reference is held out."""
    documents = with_references(corpus.load(recipe.corpus), recipe)
    return corpus.split(documents, recipe.corpus.held_out, recipe.seed)


def with_references(documents: Iterable[SourceDocument], recipe: Recipe) -> list[SourceDocument]:
    """Each as it is; a paraphrase is compared with its source, for want of anything better."""
    if recipe.task == "paraphrase":
        return [replace(one, reference=one.text) for one in documents]
    return list(documents)
