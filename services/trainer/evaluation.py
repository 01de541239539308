"""Comparing systems on held-out documents: what is measured of each text, and its table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median_high

import pyarrow as pa

from services.trainer.cascades import FAITHFULNESS
from services.trainer.statistics import first_words, rouge, rouge_l
from stillhouse.corpus import SourceDocument
from stillhouse.filter.types import Candidate, Cascade, Document, LayerConfig, Verdict
from stillhouse.generator.types import Sample
from stillhouse.recipe import Recipe

PMI_SCORE = f"{FAITHFULNESS}.pmi"
_SALIENCY = "saliency"
_ABSTRACTIVENESS = "abstractiveness"


@dataclass(frozen=True, slots=True)
class Metric:
    """A column of a system's table that is compared; `title` heads it in reports."""

    name: str
    title: str
    digits: int = 3


AGAINST_REFERENCE = (
    Metric("rouge_1", "ROUGE-1"),
    Metric("rouge_2", "ROUGE-2"),
    Metric("rouge_l", "ROUGE-L"),
    Metric("rouge_l_cut", "ROUGE-L, cut"),
    Metric("over_lead", "ROUGE-L over lead words"),
)
"""`rouge_l_cut` is of the first words, as many for every system. `over_lead` is ROUGE-L minus
that of the document's first words, as many as the text has itself.
"""

OF_THE_TEXT = (
    Metric("words", "words", 1),
    Metric("length_ratio", "length ratio"),
    Metric("coverage", "coverage", 2),
    Metric("density", "density", 1),
    Metric("novel_2", "new bigrams", 2),
)
JUDGED = (
    Metric("passed", "passes the filter", 2),
    Metric("pmi", "PMI", 2),
    Metric("independent_pmi", "PMI, other critic", 2),
    Metric("independent_saliency", "saliency, other critic", 2),
)
METRICS = (*AGAINST_REFERENCE, *OF_THE_TEXT, *JUDGED)

_COLUMNS = [metric.name for metric in METRICS]
SCHEMA = pa.schema(
    [
        ("source_id", pa.string()),
        ("text", pa.string()),
        ("reference", pa.string()),
        *[(name, pa.bool_() if name == "passed" else pa.float64()) for name in _COLUMNS],
        ("reason", pa.string()),
    ]
)

_SAMPLE = "sample"
_WRITTEN = pa.struct(
    [
        ("tokens", pa.int64()),
        ("logprob", pa.float64()),
        ("finished", pa.bool_()),
        ("clauses", pa.list_(pa.bool_())),
    ]
)


@dataclass(frozen=True, slots=True)
class Opinions:
    """What the filter says of one text: its verdict, how abstractive the text is, and what a
    critic says that no candidate was filtered by; {} where there is none.
    """

    verdict: Verdict
    abstractiveness: Mapping[str, float]
    independent: Mapping[str, float]


MEASURES = Cascade((LayerConfig(_ABSTRACTIVENESS),), score_all=True)


def independent_cascade(recipe: Recipe) -> Cascade:
    """What an independent critic is asked: both directions, whatever the recipe's layers are."""
    asked = {"task": recipe.task}
    layers = (LayerConfig(FAITHFULNESS, {}, asked), LayerConfig(_SALIENCY, {}, asked))
    return Cascade(layers, score_all=True)


def word_budget(documents: Sequence[SourceDocument], recipe: Recipe) -> int:
    """Words that `rouge_l_cut` reads: the recipe's, or the median length of the references."""
    if recipe.evaluation.words:
        return recipe.evaluation.words
    lengths = [len(one.reference.split()) for one in documents if one.reference]
    return median_high(lengths) if lengths else 0


def candidates_of(
    system: str, documents: Sequence[SourceDocument], samples: Sequence[Sample]
) -> tuple[list[Document], list[Candidate]]:
    """A system's texts as the filter takes them."""
    asked = [Document(document.id, document.text) for document in documents]
    return asked, [
        Candidate(
            id=f"{system}:{document.id}",
            source_id=document.id,
            sample_index=0,
            text=one.text,
            tokens=one.tokens,
            logprob=one.logprob,
            finished=one.finished,
            clauses=one.clauses,
        )
        for document, one in zip(documents, samples, strict=True)
    ]


def unwritten(texts: Sequence[str]) -> list[Sample]:
    """Texts that no model wrote."""
    return [Sample(text, 0, 0.0, True) for text in texts]


def with_samples(found: pa.Table, samples: Sequence[Sample]) -> pa.Table:
    """A model's table with what it told of each text, to judge it again."""
    fields = [
        {name: getattr(one, name) for name in _WRITTEN.names} | {"clauses": list(one.clauses)}
        for one in samples
    ]
    return found.append_column(_SAMPLE, pa.array(fields, _WRITTEN))


def samples_of(found: pa.Table) -> list[Sample] | None:
    """A model's texts from its table; None if the table tells nothing of their writing."""
    if _SAMPLE not in found.schema.names:
        return None
    rows = found.select(["text", _SAMPLE]).to_pylist()
    return [
        Sample(row["text"], **row[_SAMPLE] | {"clauses": tuple(row[_SAMPLE]["clauses"])})
        for row in rows
    ]


def table(
    documents: Sequence[SourceDocument],
    texts: Sequence[str],
    opinions: Sequence[Opinions],
    words: int,
) -> pa.Table:
    """A system's texts with all that is measured of them, one row a document.

    Lengths are in words at white space; `words` is how many `rouge_l_cut` reads. What isn't
    known (a score without a reference, the PMI of an empty text) is NaN.
    """
    references = [one.reference for one in documents]
    counts = [len(text.split()) for text in texts]
    leads = [first_words(one.text, count) for one, count in zip(documents, counts, strict=True)]
    scores = rouge(texts, references)
    cut = rouge_l([first_words(text, words) for text in texts], references)
    over = scores["rouge_l"] - rouge_l(leads, references)
    rows = []
    for place, (document, text, told) in enumerate(zip(documents, texts, opinions, strict=True)):
        rows.append(
            {
                "source_id": document.id,
                "text": text,
                "reference": document.reference,
                **{name: float(values[place]) for name, values in scores.items()},
                "rouge_l_cut": float(cut[place]),
                "over_lead": float(over[place]),
                "words": float(counts[place]),
                "length_ratio": counts[place] / max(1, len(document.text.split())),
                **{
                    name: told.abstractiveness.get(f"{_ABSTRACTIVENESS}.{name}", math.nan)
                    for name in ("coverage", "density", "novel_2")
                },
                "passed": told.verdict.accepted,
                "pmi": told.verdict.scores.get(PMI_SCORE, math.nan),
                "independent_pmi": told.independent.get(PMI_SCORE, math.nan),
                "independent_saliency": told.independent.get(f"{_SALIENCY}.pmi", math.nan),
                "reason": told.verdict.reason,
            }
        )
    return pa.Table.from_pylist(rows, schema=SCHEMA)
