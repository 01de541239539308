"""The accepted samples of several runs as one dataset, without near-duplicates among them.

Samples are read twice, a few at a time: once to choose and to split, once to copy. What is
held in memory is where each sample lies, its source and a digest of its document.
"""

from __future__ import annotations

import hashlib
import random
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from services.trainer import tables
from services.trainer.files import RunFolder, read_table
from services.trainer.near_duplicates import NearDuplicates
from stillhouse.errors import FailedPrecondition, InvalidArgument, NotFound
from stillhouse.filter.types import Candidate, Verdict
from stillhouse.recipe import Recipe

Split = Literal["train", "validation"]
SPLITS: tuple[Split, ...] = ("train", "validation")

_ROWS = 4096  # read at a time
_KEYS = ["id", "source_id", "sample_index", "document", "summary", "scores"]
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
    """A run's recipe, the files of its accepted samples, and digests of what it held out."""

    folder: RunFolder
    recipe: Recipe
    files: Sequence[Path]
    held_out: frozenset[bytes]

    @property
    def id(self) -> str:
        """The run's id."""
        return self.folder.id

    @cached_property
    def accepted(self) -> int:
        """How many samples the files hold."""
        return sum(pq.read_metadata(path).num_rows for path in self.files)

    @cached_property
    def writers(self) -> list[tuple[int, str]]:
        """Each generation, and the digest of the model that wrote it."""
        found: dict[tuple[int, str], None] = {}
        for path in self.files:
            columns = pq.read_table(path, columns=["generation", "model_digest"])
            groups = columns.group_by(["generation", "model_digest"]).aggregate([])
            found |= {(row["generation"], row["model_digest"]): None for row in groups.to_pylist()}
        return list(found)


@dataclass(frozen=True, slots=True)
class Sample:
    """A sample: the numbers of its run, of the file there and of the row in it, its source,
    and the digest of its document.
    """

    run: int
    file: int
    row: int
    source: str
    text: bytes


@dataclass(frozen=True)
class Merged:
    """What is kept of `runs`, in order; `chosen` are the places of those for validation.

    `scores` are the names of all scores that any of them has.
    """

    runs: Sequence[RunSamples]
    samples: Sequence[Sample]
    chosen: frozenset[int]
    scores: Sequence[str]
    near_duplicate: float

    @cached_property
    def kept(self) -> Mapping[str, int]:
        """How many samples of each run are kept."""
        counts = Counter(sample.run for sample in self.samples)
        return {run.id: counts[number] for number, run in enumerate(self.runs)}

    @property
    def schema(self) -> pa.Schema:
        """All columns; `scores` has a field for each score that any run computed."""
        fields = pa.struct([(name, pa.float64()) for name in self.scores])
        return pa.schema([*_COLUMNS, *([("scores", fields)] if self.scores else [])])

    def count(self, split: Split) -> int:
        """How many samples a split has."""
        inside = len(self.chosen)
        return inside if split == "validation" else len(self.samples) - inside

    def tables(self, split: Split) -> Iterator[pa.Table]:
        """The samples of a split in order, a few at a time."""
        wanted = split == "validation"
        return self._read([n for n in range(len(self.samples)) if (n in self.chosen) == wanted])

    def pairs(self, most: int, seed: int) -> list[tuple[str, str]]:
        """(document, summary) of at most `most` samples, drawn by `seed`."""
        everything = range(len(self.samples))
        size = min(most, len(everything))
        places = sorted(random.Random(seed).sample(everything, size))
        return [
            (row["document"], row["summary"])
            for table in self._read(places)
            for row in table.to_pylist()
        ]

    def _read(self, places: Iterable[int]) -> Iterator[pa.Table]:
        """The samples at `places`, which ascend."""
        wanted: dict[tuple[int, int], list[int]] = {}
        for place in places:
            sample = self.samples[place]
            wanted.setdefault((sample.run, sample.file), []).append(sample.row)
        for (number, file), numbers in wanted.items():
            run = self.runs[number]
            own = {"task": run.recipe.task, "domain": run.recipe.name, "run": run.id}
            for start, part in _parts(run.files[file]):
                inside = slice(bisect_left(numbers, start), bisect_left(numbers, start + len(part)))
                if not numbers[inside]:
                    continue
                rows = part.take([n - start for n in numbers[inside]]).to_pylist()
                yield pa.Table.from_pylist(
                    [row | own | {"scores": dict(row["scores"])} for row in rows],
                    schema=self.schema,
                )


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
    samples, scores = _distinct(runs, near_duplicate)
    held_out = frozenset(text for run in runs for text in run.held_out)
    chosen = validation_places(samples, validation, seed, held_out)
    if not 0 < len(chosen) < len(samples):
        raise InvalidArgument(
            "--validation",
            f"{validation:g} of {len(samples)} samples leaves a split empty; the samples are of "
            f"{len(_groups(samples))} sources, and a source is never in both splits",
        )
    return Merged(runs, samples, chosen, scores, near_duplicate)


def validation_places(
    samples: Sequence[Sample], share: float, seed: int, held_out: frozenset[bytes] = frozenset()
) -> frozenset[int]:
    """The places of the samples for validation: whole groups of sources, in the order of a
    hash of seed and source, until they are `share` of all; first those whose document a run
    held out.

    Samples are of one group if they have a source or a document's text in common.
    """

    def rank(group: Sequence[int]) -> tuple[bool, bytes]:
        texts = [samples[place].text for place in group]
        open_to_all = held_out.isdisjoint(texts)
        return open_to_all, hashlib.sha256(f"{seed}\0".encode() + min(texts)).digest()

    chosen: set[int] = set()
    for (open_to_all, _), group in sorted((rank(one), one) for one in _groups(samples)):
        if open_to_all and len(chosen) >= share * len(samples):
            break
        chosen.update(group)
    return frozenset(chosen)


def text_digest(text: str) -> bytes:
    """What two documents have in common that differ in case and white space alone."""
    return hashlib.blake2b(" ".join(text.casefold().split()).encode(), digest_size=16).digest()


def _samples(folder: RunFolder) -> RunSamples:
    if not folder.recipe.is_file():
        raise NotFound(f"no run at {folder.path}: there is no {folder.recipe.name}")
    recipe = Recipe.parse(folder.recipe.read_text(encoding="utf-8"))
    found = [folder.dataset(generation) for generation in range(1, recipe.generations + 1)]
    _, held_out = tables.documents_from(read_table(folder.documents))
    run = RunSamples(
        folder,
        recipe,
        [path for path in found if path.exists()],
        frozenset(text_digest(one.text) for one in held_out),
    )
    if not run.accepted:
        raise FailedPrecondition(f"run {folder.id} has accepted no sample yet")
    return run


def _distinct(runs: Sequence[RunSamples], near_duplicate: float) -> tuple[list[Sample], list[str]]:
    """The samples that the training buffer takes, each task in a buffer of its own; and the
    names of their scores. The buffers lie in a folder that is gone afterwards.
    """
    with TemporaryDirectory(prefix="stillhouse-export-") as folder:
        tasks = sorted({run.recipe.task for run in runs})
        buffers: dict[str, NearDuplicates] = {
            one: NearDuplicates(near_duplicate, Path(folder, one)) for one in tasks
        }
        return _chosen(runs, buffers)


def _chosen(
    runs: Sequence[RunSamples], buffers: Mapping[str, NearDuplicates]
) -> tuple[list[Sample], list[str]]:
    kept: list[Sample] = []
    scores: set[str] = set()
    for number, run in enumerate(runs):
        seen = buffers[run.recipe.task]
        for file, path in enumerate(run.files):
            for start, part in _parts(path, _KEYS):
                for place, row in enumerate(part.to_pylist(), start):
                    if not _take(seen, row):
                        continue
                    text = text_digest(row["document"])
                    kept.append(Sample(number, file, place, row["source_id"], text))
                    scores.update(dict(row["scores"]))
                seen.flush()
                seen.tidy()
    return kept, sorted(scores)


def _take(seen: NearDuplicates, row: Mapping[str, Any]) -> bool:
    """Whether a sample is like none before it."""
    candidate = Candidate(row["id"], row["source_id"], row["sample_index"], row["summary"])
    (verdict,) = seen.judge([candidate], [Verdict(row["id"], True)])
    return verdict.accepted


def _parts(path: Path, columns: list[str] | None = None) -> Iterator[tuple[int, pa.Table]]:
    """A file a few rows at a time, with the number of the first."""
    start = 0
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(_ROWS, columns=columns):
            yield start, pa.Table.from_batches([batch])
            start += len(batch)


def _groups(samples: Sequence[Sample]) -> list[list[int]]:
    """The places of samples that hang together by source or text (union-find)."""
    leader: dict[str | bytes, str | bytes] = {}

    def find(key: str | bytes) -> str | bytes:
        leader.setdefault(key, key)
        while leader[key] != key:
            leader[key] = leader[leader[key]]
            key = leader[key]
        return key

    for sample in samples:
        leader[find(sample.source)] = find(sample.text)
    groups: dict[str | bytes, list[int]] = {}
    for place, sample in enumerate(samples):
        groups.setdefault(find(sample.source), []).append(place)
    return list(groups.values())
