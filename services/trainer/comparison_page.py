"""The comparison of systems as Markdown."""

from __future__ import annotations

import math
from collections.abc import Sequence

from services.trainer import obtained
from services.trainer.comparison import Row
from services.trainer.evaluation import AGAINST_REFERENCE, JUDGED, OF_THE_TEXT, Metric
from services.trainer.statistics import Interval
from stillhouse.recipe import Recipe

_DIFFERENCES = tuple(
    metric for metric in (*AGAINST_REFERENCE, *JUDGED) if metric.name != "over_lead"
)


def markdown(rows: Sequence[Row], recipe: Recipe, held_out: int, words: int) -> str:
    """Means and differences; `words` is what ROUGE-L, cut, reads of each text."""
    alone = [row for row in rows if not row.versus]
    differences = [row for row in rows if row.versus]
    parts = [
        f"## Systems on {held_out} held-out documents",
        "",
        f"Mean and 95 % bootstrap interval over documents. ROUGE is F1 {_compared(recipe)}; "
        f"cut, it reads the first {words} words of every text, so that none wins by its length. "
        "Over lead words: ROUGE-L minus that of the document's first words, as many as the text "
        "has. Copying the document wins what rewards copying.",
        "",
        *_further(recipe),
        *_table(alone, AGAINST_REFERENCE),
        "Length in words and as share of the document; coverage and density of copied fragments "
        "(Grusky et al. 2018); bigrams that the document lacks.",
        "",
        *_table(alone, OF_THE_TEXT),
        _critics(recipe),
        "",
        *_table(alone, JUDGED),
    ]
    if differences:
        parts += [
            "### Differences",
            "",
            "Paired by document: the same documents are drawn for both systems. **Bold** where "
            "the interval leaves zero out.",
            "",
            *_table(differences, _DIFFERENCES),
        ]
    return "\n".join(parts)


def obeyed(rows: Sequence[obtained.Row]) -> str:
    """What students gave of what they were asked for; empty where nothing is controlled."""
    if not rows:
        return ""
    lines = [
        "### Asked and obtained",
        "",
        "Every held-out document is asked for every bucket. Spearman's rank correlation is of the "
        "bucket asked and the value obtained; a hit is a value in the bucket that was asked; by "
        "chance would be hit if the same answers were dealt out regardless.",
        "",
        "| system | control | buckets | Spearman | hits | by chance |",
        "| --- | --- | ---: | --- | --- | ---: |",
    ]
    lines += [
        f"| {row.system} | {row.kind} | {row.buckets} | {cell(row.spearman, 2, False)} | "
        f"{cell(row.hits, 2, False)} | {row.chance:.2f} |"
        for row in rows
    ]
    return "\n".join([*lines, ""])


def _further(recipe: Recipe) -> list[str]:
    """Which models stand behind the names of further systems."""
    models = recipe.evaluation.models
    return [*(f"- {one.name}: `{one.model}`" for one in models), ""] if models else []


def _compared(recipe: Recipe) -> str:
    if recipe.task == "paraphrase":
        return "against the source, so that less of it is more in other words"
    return "against the human reference"


def _critics(recipe: Recipe) -> str:
    told = (
        "PMI in nats a token comes from the critic that also filters, so it is no independent judge"
    )
    if recipe.evaluation.critic:
        return f"{told}; the other critic is `{recipe.evaluation.critic}`, which filtered nothing."
    return f"{told}; `evaluation.critic` names another."


def _table(rows: Sequence[Row], metrics: Sequence[Metric]) -> list[str]:
    """A table of the metrics that any row has a value of."""
    shown = [one for one in metrics if any(row.intervals[one.name].n for row in rows)]
    lines = [
        f"| system | {' | '.join(one.title for one in shown)} |",
        f"| --- |{' --- |' * len(shown)}",
    ]
    for row in rows:
        name = f"{row.system} − {row.versus}" if row.versus else row.system
        cells = [cell(row.intervals[one.name], one.digits, bool(row.versus)) for one in shown]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return [*lines, ""]


def cell(value: Interval, digits: int, signed: bool) -> str:
    """A mean with its interval; a difference has its sign, and is bold where it leaves zero out."""
    if math.isnan(value.mean):
        return "-"
    form = f"{'+' if signed else ''}.{digits}f"
    told = f"{value.mean:{form}} [{value.low:{form}}, {value.high:{form}}]"
    return f"**{told}**" if signed and value.decided else told
