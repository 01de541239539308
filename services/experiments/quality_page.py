"""Data sets side by side: reading them, a table, and a plot."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from services.experiments.quality import Quality
from stillhouse.errors import FailedPrecondition, InvalidArgument

Pairs = list[tuple[str, str]]
"""(document, summary)."""

_FIELDS = ("document", "summary")


@dataclass(frozen=True, slots=True)
class Measured:
    """A data set: its name, its size, and the figures of its sample.

    `novelty` holds what an index was asked, if there was one.
    """

    name: str
    size: int
    sampled: int
    quality: Quality
    novelty: Mapping[str, float]

    @property
    def figures(self) -> dict[str, float]:
        """All figures by name, in their order."""
        return {**asdict(self.quality), **self.novelty}


def read_pairs(path: Path) -> Pairs:
    """The pairs of a Parquet or JSONL file with `document` and `summary`.

    InvalidArgument for `dataset` names the file, and the line or field that is wrong.
    """
    if not path.is_file():
        raise InvalidArgument("dataset", f"no file {path}; give a .parquet or .jsonl file")
    if path.suffix == ".parquet":
        return _parquet(path)
    if path.suffix in {".jsonl", ".ndjson"}:
        return _json_lines(path)
    raise InvalidArgument("dataset", f"{path} is neither .parquet nor .jsonl")


def sample(pairs: Pairs, size: int, seed: int) -> Pairs:
    """`size` pairs drawn by `seed`, in their order; all of them if there are no more."""
    if len(pairs) <= size:
        return list(pairs)
    return [pairs[place] for place in sorted(random.Random(seed).sample(range(len(pairs)), size))]


def markdown(sets: Sequence[Measured]) -> str:
    """A row per figure, a column per set."""
    lines = [
        f"| | {' | '.join(one.name for one in sets)} |",
        f"| --- |{' ---: |' * len(sets)}",
        f"| pairs, of which sampled | {' | '.join(f'{s.size}, {s.sampled}' for s in sets)} |",
    ]
    for name in sets[0].figures:
        cells = (f"{one.figures[name]:.3f}" for one in sets)
        lines.append(f"| {name.replace('_', '-')} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def plot(sets: Sequence[Measured], path: Path) -> None:
    """A panel per figure, a bar per set, as PNG. FailedPrecondition without matplotlib."""
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415  (an extra)
    except ImportError:
        raise FailedPrecondition(
            "a plot needs matplotlib; pip install 'stillhouse-services[plot]', or leave --plot out"
        ) from None
    names = list(sets[0].figures)
    columns = 4
    rows = -(-len(names) // columns)
    figure = Figure(figsize=(3 * columns, 2.2 * rows), layout="constrained")
    for place, name in enumerate(names, start=1):
        axes = figure.add_subplot(rows, columns, place)
        axes.barh([one.name for one in sets], [one.figures[name] for one in sets], color="0.4")
        axes.invert_yaxis()
        axes.set_title(name.replace("_", "-"), fontsize=9)
        axes.tick_params(labelsize=7)
    figure.savefig(path, format="png", dpi=120)


def _parquet(path: Path) -> Pairs:
    try:
        schema = pq.read_schema(path)
        for field in _FIELDS:
            if field not in schema.names:
                raise InvalidArgument("dataset", f"{path} has no column {field!r}")
        rows = pq.read_table(path, columns=list(_FIELDS)).to_pylist()
    except pa.ArrowException as error:
        raise InvalidArgument("dataset", f"{path}: not a whole Parquet file ({error})") from None
    return [_pair(row, f"{path} row {number}") for number, row in enumerate(rows, 1)]


def _json_lines(path: Path) -> Pairs:
    pairs = []
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            place = f"{path} line {number}"
            if not line.strip():
                continue
            try:
                row = json.loads(line.decode())
            except (ValueError, RecursionError) as error:
                raise InvalidArgument("dataset", f"{place}: not JSON in UTF-8 ({error})") from None
            if not isinstance(row, dict):
                raise InvalidArgument("dataset", f"{place}: must be an object of fields")
            pairs.append(_pair(row, place))
    return pairs


def _pair(row: Mapping[str, Any], place: str) -> tuple[str, str]:
    values = [row.get(field) for field in _FIELDS]
    for field, value in zip(_FIELDS, values, strict=True):
        if not isinstance(value, str):
            raise InvalidArgument("dataset", f"{place}: {field!r} must be text")
    return str(values[0]), str(values[1])
