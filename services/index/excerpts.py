"""Stretches of documents, from an index whose files are here."""

from __future__ import annotations

import numpy as np

from services.index.corpus import Excerpt, Numbers, Occurrences
from services.index.document_ids import DocumentIds
from services.index.engine import Engine, Offsets, Place, Stop, Values
from services.index.tokenizer import IndexTokenizer
from stillhouse.index.types import Document


class LocalDocuments:
    """The documents of an engine, with the ids that they were built with."""

    def __init__(
        self, engine: Engine, tokenizer: IndexTokenizer | None, ids: DocumentIds | None = None
    ) -> None:
        self._engine = engine
        self._tokenizer = tokenizer
        self._ids = ids

    def id(self, document: int) -> str:
        """The id that a document was built with, or ""."""
        return self._ids[document] if self._ids else ""

    def at_ranks(self, ranks: Numbers, how: Excerpt, stop: Stop) -> list[Document]:  # noqa: ARG002
        """The document of each rank (k,)."""
        return [self._show(self._engine.place_of_rank(rank), how) for rank in ranks.tolist()]

    def at_positions(
        self,
        positions: Numbers,
        how: Excerpt,
        stop: Stop,  # noqa: ARG002
    ) -> list[Document]:
        """The document of each position (k,)."""
        return [self._show(self._engine.place(position), how) for position in positions.tolist()]

    def draw(
        self, query: Values, limit: int, seed: int, how: Excerpt, stop: Stop
    ) -> list[Document]:
        """Up to `limit` documents with an n-gram, one occurrence of each, drawn at random."""
        return [self._show(place, how) for place in self._engine.search(query, limit, seed, stop)]

    def occurrences(
        self, values: Values, offsets: Offsets, limit: int, stop: Stop
    ) -> list[Occurrences]:
        """The first `limit` occurrences of each of m n-grams, in rank order."""
        firsts, ends = self._engine.find(values, offsets, stop)
        pairs = zip(firsts[:, 0].tolist(), ends[:, 0].tolist(), strict=True)
        return [self._occurrences(first, min(end, first + limit), stop) for first, end in pairs]

    def _occurrences(self, first: int, end: int, stop: Stop) -> Occurrences:
        positions = self._engine.positions(first, end, stop)
        documents = [self._engine.place(at).document for at in positions.tolist()]
        ids = tuple(map(self.id, documents)) if self._ids else ()
        return Occurrences(positions, np.array(documents, np.uint64), ids)

    def _show(self, place: Place, how: Excerpt) -> Document:
        """The stretch of a document around a place."""
        tokens = self._engine.document(place.document)
        match_end = min(place.offset + how.match_length, len(tokens))
        begin, end = max(0, place.offset - how.context), min(len(tokens), match_end + how.context)
        if not how.match_length:
            end = min(len(tokens), place.offset + max(how.context, 1))
        parts = (
            tokens[begin : place.offset],
            tokens[place.offset : match_end],
            tokens[match_end:end],
        )
        texts = self._tokenizer.decode(parts) if self._tokenizer else ("", "", "")
        return Document(
            document=place.document,
            id=self.id(place.document),
            length=len(tokens),
            offset=place.offset,
            begin=begin,
            tokens=tokens[begin:end].copy(),  # lets go of the rest
            before=texts[0],
            match=texts[1],
            after=texts[2],
        )
