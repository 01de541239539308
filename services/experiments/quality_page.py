"""Data sets side by side: reading them, and a plot."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from services.trainer.plots import png, quality
from services.trainer.quality_table import Measured, Pairs
from stillhouse.errors import FailedPrecondition, InvalidArgument

_FIELDS = ("document", "summary")


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


def plot(sets: Sequence[Measured], path: Path) -> None:
    """A panel per figure, a bar per set, as PNG. FailedPrecondition without matplotlib."""
    try:
        path.write_bytes(png(quality(sets)))
    except ImportError:
        raise FailedPrecondition(
            "a plot needs matplotlib; pip install 'stillhouse-services[plot]', or leave --plot out"
        ) from None


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
