"""The report of a run, as Markdown: what was measured, good or bad."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TypeVar

from services.trainer import comparison_page
from services.trainer.comparison import Row
from stillhouse.recipe import Recipe
from stillhouse.trainer.types import Diversity, GenerationProgress, JudgedCandidate

_T = TypeVar("_T")

_SHOWN = 10
_CUT = (
    "Shares are 0 to 1, entropies (h) in bits, density in words; every generation is cut to the "
    "size of the smallest, since each figure depends on how many texts there are."
)


@dataclass(frozen=True, slots=True)
class Report:
    """What a report tells of; `words` is what ROUGE-L, cut, reads, `judged`, `quality`
    and `plots` are Markdown.
    """

    run_id: str
    recipe: Recipe
    teacher_digest: str
    seconds: float
    documents: int
    held_out: int
    generations: Sequence[GenerationProgress]
    systems: Sequence[Row]
    words: int
    judged: str
    quality: str
    plots: str
    accepted: Sequence[JudgedCandidate]
    rejected: Sequence[JudgedCandidate]
    texts: Mapping[str, str]
    stop_reason: str = ""

    def markdown(self) -> str:
        """The whole report."""
        parts = [
            self._head(),
            *(_funnel(generation) for generation in self.generations),
            *self._quality(),
            *(["## Plots", "", self.plots] if self.plots else []),
            comparison_page.markdown(self.systems, self.recipe, self.held_out, self.words),
            *([self.judged] if self.judged else []),
            self._samples("Ten accepted", self.accepted),
            self._samples("Ten rejected", self.rejected),
        ]
        return "\n".join(parts)

    def _head(self) -> str:
        when = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
        return "\n".join(
            [
                f"# Run {self.run_id}",
                "",
                f"- Recipe `{self.recipe.name}`, seed {self.recipe.seed}; written {when} after "
                f"{self.seconds / 60:.1f} minutes of work.",
                f"- Teacher `{self.recipe.teacher.model}`, digest `{self.teacher_digest[:16]}`.",
                f"- Documents: {self.documents} for training, {self.held_out} held out.",
                *([f"- Ended early: {self.stop_reason}."] if self.stop_reason else []),
                f"- Machine: {platform.machine()}, {os.cpu_count()} CPUs, Python "
                f"{platform.python_version()}, torch {version('torch')}, "
                f"transformers {version('transformers')}.",
                "",
            ]
        )

    def _quality(self) -> list[str]:
        if not self.quality:
            return []
        return ["## Quality of the accepted samples", "", _CUT, "", self.quality]

    def _samples(self, title: str, samples: Sequence[JudgedCandidate]) -> str:
        lines = [f"## {title}", ""]
        for sample in samples:
            why = "" if sample.accepted else f" **{sample.reason}**"
            lines += [
                f"- `{sample.source_id}`, generation {sample.generation}:{why}",
                f"  - document: {_shortened(self.texts[sample.source_id])}",
                f"  - summary: {_shortened(sample.text) or '(empty)'}",
                f"  - scores: {_scores(sample.scores)}",
            ]
        return "\n".join([*(lines if samples else [*lines, "None."]), ""])


def _funnel(generation: GenerationProgress) -> str:
    lines = [
        f"## Generation {generation.generation}",
        "",
        f"{generation.judged} candidates judged, {generation.accepted} accepted "
        f"(target {generation.target}, budget {generation.budget}) in "
        f"{generation.seconds:.0f} s.",
        "",
        "| layer | seen | passed | pass rate |",
        "| --- | ---: | ---: | ---: |",
    ]
    lines += [
        f"| {layer.name} | {layer.seen} | {layer.passed} | {_percent(layer.passed, layer.seen)} |"
        for layer in generation.layers
    ]
    overall = _percent(generation.accepted, generation.judged)
    lines += [f"| **all** | {generation.judged} | {generation.accepted} | {overall} |", ""]
    if generation.expert:
        lines += ["Expert iteration: these samples trained the teacher itself.", ""]
    if generation.diversity:
        lines += [_diversity(generation.diversity), ""]
    return "\n".join(lines)


def _diversity(found: Diversity) -> str:
    return (
        f"Diversity of {found.samples} accepted samples, beside as many of generation 1: "
        f"distinct-2 {found.distinct_2:.3f} ({found.first_distinct_2:.3f}), "
        f"MSTTR {found.msttr:.3f} ({found.first_msttr:.3f})."
    )


def spread(rows: Sequence[_T], count: int = _SHOWN) -> list[_T]:
    """`count` rows evenly spaced over all of them, so that no part is favoured."""
    if len(rows) <= count:
        return list(rows)
    step = len(rows) / count
    return [rows[int(i * step)] for i in range(count)]


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "-"


def _scores(scores: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.2f}" for name, value in sorted(scores.items()))


def _shortened(text: str, limit: int = 400) -> str:
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"
