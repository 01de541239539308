"""From a recipe's corpus to its documents, and those apart that only evaluate."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import replace

from stillhouse.corpus.cache import cached_docstrings
from stillhouse.corpus.document import SourceDocument
from stillhouse.corpus.read import Reading, read, usable
from stillhouse.corpus.sentences import sentences
from stillhouse.errors import InvalidArgument
from stillhouse.recipe import Corpus

log = logging.getLogger(__name__)

DOCSTRINGS = "docstrings"
_LEAST_WORDS = 5  # of a sentence that can be said otherwise


def load(corpus: Corpus) -> list[SourceDocument]:
    """The documents of a recipe, those outside its bounds of length left out.

    Raises InvalidArgument for `corpus.source` if it cannot be read or nothing is left.
    """
    reading = _reading(corpus)
    left_out = f"{reading.too_short} too short, {reading.too_long} too long"
    if not reading.documents:
        raise InvalidArgument(
            "corpus.source",
            f"{corpus.source} holds no usable document ({left_out}); see corpus.min_sentences "
            "and corpus.max_characters",
        )
    log.info(
        "%d documents in %s (left out: %s, %d repeated)",
        len(reading.documents), corpus.source, left_out, reading.repeated,
    )  # fmt: skip
    if corpus.unit == "document":
        return reading.documents
    found = split_into_sentences(reading.documents)
    if not found:
        raise InvalidArgument(
            "corpus.unit", f"no sentence of {corpus.source} has {_LEAST_WORDS} words or more"
        )
    return found


def split_into_sentences(documents: Sequence[SourceDocument]) -> list[SourceDocument]:
    """The sentences of five words or more, each once, as documents without a reference."""
    found: dict[str, SourceDocument] = {}
    for document in documents:
        for place, sentence in enumerate(sentences(document.text)):
            if len(sentence.split()) >= _LEAST_WORDS:
                found.setdefault(sentence, SourceDocument(f"{document.id}#{place}", sentence))
    return list(found.values())


def _reading(corpus: Corpus) -> Reading:
    if corpus.source == DOCSTRINGS:
        return usable(cached_docstrings(corpus.min_sentences), corpus)
    return read(corpus)


def split(
    documents: Sequence[SourceDocument], held_out: int, seed: int
) -> tuple[list[SourceDocument], list[SourceDocument]]:
    """Training and held-out documents, both in the order given.

    Held out are at most `held_out` of those with a reference, chosen by a hash of seed
    and id, so that a document more or less moves no other. Training documents come
    without their references. Raises InvalidArgument for `corpus.held_out` if none is
    left to train on.
    """
    ranked = sorted((one for one in documents if one.reference), key=lambda one: _rank(seed, one))
    chosen = {one.id for one in ranked[:held_out]}
    training = [replace(one, reference="") for one in documents if one.id not in chosen]
    if not training:
        raise InvalidArgument(
            "corpus.held_out",
            f"{held_out} leaves none of the {len(documents)} documents to train on; lower it",
        )
    return training, [one for one in documents if one.id in chosen]


def _rank(seed: int, document: SourceDocument) -> bytes:
    return hashlib.sha256(f"{seed}\0{document.id}".encode()).digest()
