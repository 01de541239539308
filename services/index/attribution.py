"""Tracing a text to the corpus."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.index.corpus import Occurrences
from services.index.engine import RawSpan, ragged
from services.index.limits import check, check_setting
from services.index.queries import Work
from services.index.tokenizer import Cut
from stillhouse.index.types import Attribution, Span


@dataclass(frozen=True, slots=True)
class Options:
    """Which stretches are kept, and of how many documents each tells."""

    min_length: int = 1
    max_count: int | None = None
    delimiters: NDArray[np.uint32] | None = None
    whole_words: bool = False
    documents: int = 0


def attribute(work: Work, options: Options) -> list[Attribution]:
    """The maximal stretches of each query that occur in the corpus.

    Raises InvalidArgument over a limit, FailedPrecondition for whole words without a
    tokenizer.
    """
    limits = work.limits
    check_setting("options.documents", options.documents, limits.documents)
    words = work.index.require_tokenizer().word_starts if options.whole_words else None
    if options.delimiters is not None:
        check("options.delimiters", len(options.delimiters), limits.query_tokens, "ids")
    return [_one(work, number, options, words) for number in range(len(work.batch))]


def _one(
    work: Work, number: int, options: Options, words: NDArray[np.uint32] | None
) -> Attribution:
    query = work.batch.query(number)
    limit = options.documents or work.limits.documents
    spans = work.index.engine.attribute(
        query,
        max(1, options.min_length),
        options.max_count,
        np.empty(0, np.uint32) if options.delimiters is None else options.delimiters,
        words,
        work.stop,
    )
    told = sum(min(one.count, limit) for one in spans)
    check("query", told, work.limits.positions, "positions")
    parts = ragged([query[one.begin : one.end] for one in spans])
    found = work.index.documents.occurrences(*parts, limit, work.stop)
    cut = work.cuts[number] if work.cuts else None
    shown = [_span(one, where, cut) for one, where in zip(spans, found, strict=True)]
    return Attribution(tuple(shown), query)


def _span(span: RawSpan, where: Occurrences, cut: Cut | None) -> Span:
    return Span(
        begin=span.begin,
        end=span.end,
        count=span.count,
        positions=where.positions,
        documents=where.documents,
        document_ids=where.ids if any(where.ids) else (),
        begin_character=int(cut.begins[span.begin]) if cut else 0,
        end_character=int(cut.ends[span.end - 1]) if cut else 0,
    )
