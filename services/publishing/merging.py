"""The accepted samples of several runs as one dataset, without near-duplicates among them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from services.trainer import tables
from services.trainer.files import RunFolder, read_table
from services.trainer.near_duplicates import NearDuplicates
from stillhouse.errors import FailedPrecondition, InvalidArgument, NotFound
from stillhouse.filter.types import Candidate, Verdict
from stillhouse.recipe import Recipe

Row = dict[str, Any]

_COLUMNS = [
    ("document", pa.string()),
    ("summary", pa.string()),
    ("task", pa.string()),
    ("domain", pa.string()),
    ("run", pa.string()),
    *[
        (field.name, field.type)
        for field in tables.DATASET
        if field.name not in {"document", "summary", "run", "scores"}
    ],
]


@dataclass(frozen=True)
class RunSamples:
    """A run's recipe, its accepted samples in order, and the texts that it held out."""

    folder: RunFolder
    recipe: Recipe
    rows: Sequence[Row]
    held_out: frozenset[str]

    @property
    def id(self) -> str:
        """The run's id."""
        return self.folder.id


@dataclass(frozen=True)
class Merged:
    """Both splits; `kept` counts the samples of each run that are in them."""

    train: pa.Table
    validation: pa.Table
    kept: Mapping[str, int]
    near_duplicate: float


def read_samples(folders: Sequence[RunFolder]) -> list[RunSamples]:
    """The samples of every generation that is complete.

    NotFound names a run that isn't there, FailedPrecondition one without any sample,
    InvalidArgument one that is given twice.
    """
    ids = [folder.id for folder in folders]
    for run in ids:
        if ids.count(run) > 1:
            raise InvalidArgument("RUN", f"{run} is given twice")
    return [_samples(folder) for folder in folders]


def merge(
    runs: Sequence[RunSamples], *, validation: float, near_duplicate: float, seed: int
) -> Merged:
    """All samples, of two near-duplicates the one of the earlier run; split by source.

    InvalidArgument if `validation`, a share of the samples, leaves a split without any.
    """
    rows = _distinct([row for run in runs for row in run.rows], near_duplicate)
    held_out = frozenset(text for run in runs for text in run.held_out)
    chosen = validation_ids(rows, validation, seed, held_out)
    parts = [[row for row in rows if (row["id"] in chosen) == wanted] for wanted in (False, True)]
    if not all(parts):
        raise InvalidArgument(
            "--validation",
            f"{validation:g} of {len(rows)} samples leaves a split empty; the samples are of "
            f"{len(_groups(rows))} sources, and a source is never in both splits",
        )
    schema = _schema(rows)
    train, other = (pa.Table.from_pylist(part, schema=schema) for part in parts)
    kept = {run.id: sum(row["run"] == run.id for row in rows) for run in runs}
    return Merged(train, other, kept, near_duplicate)


def validation_ids(
    rows: Sequence[Row], share: float, seed: int, held_out: frozenset[str] = frozenset()
) -> set[str]:
    """The ids of the samples for validation: whole groups of sources, in the order of a hash
    of seed and source, until they are `share` of all; first those whose document a run held out.

    Samples are of one group if they have a source or a document's text in common.
    """
    groups = _groups(rows)

    def rank(group: Sequence[Row]) -> tuple[bool, bytes]:
        names = min(text_key(row["document"]) for row in group)
        open_to_all = not any(text_key(row["document"]) in held_out for row in group)
        return open_to_all, hashlib.sha256(f"{seed}\0{names}".encode()).digest()

    chosen: set[str] = set()
    for group in sorted(groups, key=rank):
        if len(chosen) >= share * len(rows) and rank(group)[0]:
            break
        chosen.update(row["id"] for row in group)
    return chosen


def text_key(text: str) -> str:
    """What two documents have in common that differ in case and white space alone."""
    return " ".join(text.casefold().split())


def _samples(folder: RunFolder) -> RunSamples:
    if not folder.recipe.is_file():
        raise NotFound(f"no run at {folder.path}: there is no {folder.recipe.name}")
    recipe = Recipe.parse(folder.recipe.read_text(encoding="utf-8"))
    rows: list[Row] = []
    for generation in range(1, recipe.generations + 1):
        if folder.dataset(generation).exists():
            rows += read_table(folder.dataset(generation)).to_pylist()
    if not rows:
        raise FailedPrecondition(f"run {folder.id} has accepted no sample yet")
    own = {"task": recipe.task, "domain": recipe.name, "run": folder.id}
    named = [row | own | {"scores": dict(row["scores"])} for row in rows]
    _, held_out = tables.documents_from(read_table(folder.documents))
    return RunSamples(folder, recipe, named, frozenset(text_key(one.text) for one in held_out))


def _distinct(rows: Sequence[Row], near_duplicate: float) -> list[Row]:
    """The rows that the training buffer would take, each task in a buffer of its own."""
    seen = {task: NearDuplicates(near_duplicate) for task in {row["task"] for row in rows}}
    kept = []
    for row in rows:
        candidate = Candidate(row["id"], row["source_id"], row["sample_index"], row["summary"])
        (verdict,) = seen[row["task"]].judge([candidate], [Verdict(row["id"], True)])
        if verdict.accepted:
            kept.append(row)
    return kept


def _groups(rows: Iterable[Row]) -> list[list[Row]]:
    """The rows that hang together by source or text (union-find), in the order of the first."""
    leader: dict[tuple[str, str], tuple[str, str]] = {}

    def find(key: tuple[str, str]) -> tuple[str, str]:
        leader.setdefault(key, key)
        while leader[key] != key:
            leader[key] = leader[leader[key]]
            key = leader[key]
        return key

    listed = list(rows)
    for row in listed:
        leader[find(("source", row["source_id"]))] = find(("text", text_key(row["document"])))
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in listed:
        groups.setdefault(find(("source", row["source_id"])), []).append(row)
    return list(groups.values())


def _schema(rows: Sequence[Row]) -> pa.Schema:
    """All columns; `scores` has a field for each score that any run computed."""
    names = sorted({name for row in rows for name in row["scores"]})
    scores = pa.struct([(name, pa.float64()) for name in names])
    return pa.schema([*_COLUMNS, *([("scores", scores)] if names else [])])
