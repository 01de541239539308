"""A dataset's card: README.md with the metadata that a hub reads, and what was measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import yaml

from services.publishing.merging import SPLITS, Merged, RunSamples
from services.trainer import quality_table
from services.trainer.cascades import cascade_of
from services.trainer.funnel import funnel
from services.trainer.lineage import Link, chain
from services.trainer.near_duplicates import NEAR_DUPLICATE
from stillhouse.filter.types import Verdict
from stillhouse.recipe import Evaluation, Recipe
from stillhouse.text.quality import measure

_TASKS = {"summarize": "summarization", "paraphrase": "text-generation"}
_SAMPLE = 500  # pairs that the quality is measured of
_SIZES = (1_000, 10_000, 100_000, 1_000_000, 10_000_000)
_SIZE_NAMES = ("n<1K", "1K<n<10K", "10K<n<100K", "100K<n<1M", "1M<n<10M", "n>10M")


@dataclass(frozen=True)
class Card:
    """What the card tells of; `license` is the licence's name as given, or empty."""

    name: str
    merged: Merged
    license: str
    seed: int

    @property
    def runs(self) -> Sequence[RunSamples]:
        """The runs that it was made of."""
        return self.merged.runs

    def markdown(self) -> str:
        """The whole card."""
        return "\n".join(
            [
                f"---\n{self._metadata()}---",
                "",
                f"# {self.name}",
                "",
                self._head(),
                *self._licence(),
                *self._runs(),
                *self._filtering(),
                *self._quality(),
                *self._lineage(),
                *self._recipes(),
            ]
        )

    def _metadata(self) -> str:
        """YAML; a licence only where one was given."""
        splits = [{"split": split, "path": f"data/{split}-*.parquet"} for split in SPLITS]
        total = len(self.merged.samples)
        size = sum(total >= bound for bound in _SIZES)
        tasks = {_TASKS[run.recipe.task]: None for run in self.runs}
        values: dict[str, Any] = {"license": self.license} if self.license else {}
        values |= {
            "pretty_name": self.name,
            "task_categories": list(tasks),
            "size_categories": [_SIZE_NAMES[size]],
            "tags": ["synthetic", "stillhouse"],
            "configs": [{"config_name": "default", "data_files": splits}],
        }
        return yaml.safe_dump(values, sort_keys=False, allow_unicode=True)

    def _head(self) -> str:
        train, validation = (self.merged.count(split) for split in SPLITS)
        return (
            f"{train} samples for training and {validation} for validation, written by language "
            "models about documents, and kept by a cascade of filters. No human wrote or checked "
            "them. Split by source: no source and no document is in both splits.\n"
        )

    def _licence(self) -> list[str]:
        told = f"`{self.license}`." if self.license else "Not stated by those who made this."
        return ["## Licence", "", f"{told} The documents have licences of their own.", ""]

    def _runs(self) -> list[str]:
        lines = [
            "## Sources and models",
            "",
            "| run | task | domain | documents | teacher | accepted | kept here |",
            "| --- | --- | --- | --- | --- | ---: | ---: |",
        ]
        lines += [
            f"| {run.id} | {run.recipe.task} | {run.recipe.name} | "
            f"`{_bare(run.recipe.corpus.source)}` | `{_bare(run.recipe.teacher.model)}` | "
            f"{run.accepted} | {self.merged.kept[run.id]} |"
            for run in self.runs
        ]
        return [
            *lines,
            "",
            "Of two samples of a task whose summaries have at least "
            f"{self.merged.near_duplicate:g} of their word trigrams in common (Jaccard), the "
            "first is kept.",
            "",
        ]

    def _filtering(self) -> list[str]:
        lines = ["## Filtering", ""]
        for run in self.runs:
            layers = [*(one.name for one in cascade_of(run.recipe).layers), NEAR_DUPLICATE]
            for generation in range(1, run.recipe.generations + 1):
                path = run.folder.verdicts(generation)
                if not path.exists():
                    continue
                verdicts = _verdicts(path)
                lines += [
                    f"{run.id}, generation {generation}: {len(verdicts)} candidates.",
                    "",
                    "| layer | seen | passed | pass rate |",
                    "| --- | ---: | ---: | ---: |",
                ]
                for one in funnel(verdicts, layers):
                    rate = f"{100 * one.passed / one.seen:.1f} %" if one.seen else "-"
                    lines.append(f"| {one.name} | {one.seen} | {one.passed} | {rate} |")
                lines.append("")
        return lines

    def _quality(self) -> list[str]:
        pairs = self.merged.pairs(_SAMPLE, self.seed)
        whole = quality_table.Measured("all", len(self.merged.samples), len(pairs), measure(pairs))
        return [
            "## Quality",
            "",
            "Shares are 0 to 1, entropies (h) in bits. Every figure depends on how many texts "
            "there are; `stillhouse quality` compares sets cut to one size.",
            "",
            quality_table.markdown([whole]),
        ]

    def _lineage(self) -> list[str]:
        lines = [
            "## Lineage",
            "",
            "Which model wrote the samples of which generation, by the SHA-256 of its files.",
            "",
            "| run | generation | model | seed of the run |",
            "| --- | ---: | --- | ---: |",
        ]
        for run in self.runs:
            lines += [
                f"| {run.id} | {generation} | `{model}` | {run.recipe.seed} |"
                for generation, model in run.writers
            ]
        lines.append("")
        for run in self.runs:
            students = run.folder.students()
            if students:
                links = chain(students[-1].resolve(), check=False)
                lines += [f"The last student of {run.id}, and what it comes from:", ""]
                lines += [*map(_link, links), ""]
        return lines

    def _recipes(self) -> list[str]:
        lines = ["## Recipes", ""]
        for run in self.runs:
            text = published(run.recipe).to_yaml()
            lines += [f"{run.id}:", "", "```yaml", text.rstrip(), "```", ""]
        return lines


def _verdicts(path: Path) -> list[Verdict]:
    """What became of each candidate of a generation."""
    rows = pq.read_table(path, columns=["id", "accepted", "layer"]).to_pylist()
    return [Verdict(row["id"], row["accepted"], row["layer"]) for row in rows]


def published(recipe: Recipe) -> Recipe:
    """The recipe without what is of one's own machine: folders, and who evaluated."""
    corpus = recipe.corpus.model_copy(update={"source": _bare(recipe.corpus.source)})
    teacher = recipe.teacher.model_copy(update={"model": _bare(recipe.teacher.model)})
    own = {"critic": "", "models": (), "judge": None}
    evaluation: Evaluation = recipe.evaluation.model_copy(update=own)
    changes = {"corpus": corpus, "teacher": teacher, "evaluation": evaluation}
    return recipe.model_copy(update=changes)


def _link(link: Link) -> str:
    """One model of a chain, without folders of the machine."""
    told = f"- `{_bare(link.name)}`, `{link.digest}`"
    made = link.manifest
    if made is None:
        return f"{told}, {'not there any more' if link.problems else 'the first teacher'}"
    commit = f", commit {made.code.commit}" if made.code.commit else ""
    return (
        f"{told}, generation {made.generation} of {made.run}: {made.dataset.rows} samples, dataset "
        f"`{made.dataset.digest[:16]}`, recipe `{made.recipe.digest[:16]}`, {made.created}, "
        f"stillhouse {made.code.version}{commit}"
    )


def _bare(name: str) -> str:
    """A path on this machine without its folders; anything else as it is."""
    return Path(name).name if name.startswith((".", "/")) else name
