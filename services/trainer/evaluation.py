"""Comparing systems on held-out documents: their texts, scores and intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from services.trainer.cascades import FAITHFULNESS
from services.trainer.statistics import Interval, bootstrap, rouge_l
from stillhouse.corpus import SourceDocument
from stillhouse.filter.types import Candidate, Document, Verdict
from stillhouse.recipe import Recipe

PMI_SCORE = f"{FAITHFULNESS}.pmi"

SCHEMA = pa.schema(
    [
        ("source_id", pa.string()),
        ("text", pa.string()),
        ("reference", pa.string()),
        ("rouge_l", pa.float64()),
        ("length_ratio", pa.float64()),
        ("pmi", pa.float64()),
        ("passed", pa.bool_()),
        ("reason", pa.string()),
    ]
)


@dataclass(frozen=True, slots=True)
class Row:
    """A system's means over the held-out documents."""

    system: str
    rouge_l: Interval
    length_ratio: Interval
    pmi: Interval
    passed: Interval


def candidates_of(
    system: str, documents: Sequence[SourceDocument], texts: Sequence[str]
) -> tuple[list[Document], list[Candidate]]:
    """A system's texts as the filter takes them."""
    pairs = list(zip(documents, texts, strict=True))
    return (
        [Document(document.id, document.text) for document in documents],
        [Candidate(f"{system}:{document.id}", document.id, 0, text) for document, text in pairs],
    )


def table(
    documents: Sequence[SourceDocument], texts: Sequence[str], verdicts: Sequence[Verdict]
) -> pa.Table:
    """A system's texts with their scores, one row a document.

    The length ratio is in words. `pmi` is NaN for an empty text.
    """
    references = [document.reference for document in documents]
    scores = rouge_l(texts, references)
    rows = [
        {
            "source_id": document.id,
            "text": text,
            "reference": document.reference,
            "rouge_l": float(score),
            "length_ratio": len(text.split()) / max(1, len(document.text.split())),
            "pmi": verdict.scores.get(PMI_SCORE, float("nan")),
            "passed": verdict.accepted,
            "reason": verdict.reason,
        }
        for document, text, score, verdict in zip(documents, texts, scores, verdicts, strict=True)
    ]
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def summarise(system: str, results: pa.Table, recipe: Recipe) -> Row:
    """Means and intervals of a system's table."""

    def interval(column: str) -> Interval:
        values = np.array(results[column].to_pylist(), dtype=np.float64)
        return bootstrap(values, resamples=recipe.evaluation.resamples, seed=recipe.seed)

    return Row(
        system,
        interval("rouge_l"),
        interval("length_ratio"),
        interval("pmi"),
        interval("passed"),
    )
