"""From 64-bit keys to row numbers, most of them on disk.

What is new stays in a table in memory until `flush` writes it as a segment: its keys in
order (uint64), then the row of each (uint32), both little-endian, read by mmap. A segment
that is no longer small beside the one before it is merged with it, so that n keys lie in
O(log n) segments and each was written O(log n) times (a log-structured merge tree,
O'Neil et al. 1996). A segment never changes; which ones count, the owner keeps in mind.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.trainer.files import replacing_file

Keys = NDArray[np.uint64]
Rows = NDArray[np.uint32]

_CHUNK = 1 << 20  # keys merged at once: bounds the memory of a merge
_WIDTH = 12  # bytes of a key and its row


class _Segment(NamedTuple):
    name: str
    keys: Keys
    rows: Rows


class Postings:
    """Rows by key; `segments` are the names that the last `flush` returned."""

    def __init__(self, folder: Path, segments: Sequence[str] = ()) -> None:
        self._folder = folder
        self._new: dict[int, list[int]] = {}
        self._segments = [_open(folder / name) for name in segments]
        self._number = 1 + max((int(name.split("-")[1]) for name in segments), default=-1)

    def add(self, keys: Keys, row: int) -> None:
        """Put `row` (below 2**32) under each of the keys."""
        for key in keys.tolist():
            self._new.setdefault(key, []).append(row)

    def find(self, keys: Keys) -> set[int]:
        """The rows under any of the keys."""
        rows: set[int] = set()
        for key in keys.tolist():
            rows.update(self._new.get(key, ()))
        for segment in self._segments:
            starts = np.searchsorted(segment.keys, keys)
            inside = starts < len(segment.keys)
            hits = inside & (segment.keys[np.where(inside, starts, 0)] == keys)
            if hits.any():
                ends = np.searchsorted(segment.keys, keys[hits], side="right")
                for start, end in zip(starts[hits].tolist(), ends.tolist(), strict=True):
                    rows.update(segment.rows[start:end].tolist())
        return rows

    def flush(self) -> tuple[str, ...]:
        """Write what is new to disk, merge, and return the names of all segments.

        The segments that this replaces stay until `tidy`.
        """
        if self._new:
            keys = np.array([key for key, rows in self._new.items() for _ in rows], dtype=np.uint64)
            rows = np.array([row for rows in self._new.values() for row in rows], dtype=np.uint32)
            order = np.argsort(keys, kind="stable")
            self._segments.append(self._write(len(keys), [(keys[order], rows[order])]))
            self._new = {}
        while len(self._segments) > 1 and _alike(*self._segments[-2:]):
            newer, older = self._segments.pop(), self._segments.pop()
            total = len(older.keys) + len(newer.keys)
            self._segments.append(self._write(total, _merged(older, newer)))
        return tuple(segment.name for segment in self._segments)

    def tidy(self) -> None:
        """Remove all segments but those that the last `flush` returned."""
        kept = {segment.name for segment in self._segments}
        for path in self._folder.glob("segment-*"):
            if path.name not in kept:
                path.unlink()

    def _write(self, total: int, parts: Iterable[tuple[Keys, Rows]]) -> _Segment:
        path = self._folder / f"segment-{self._number}"
        self._number += 1
        with replacing_file(path) as part, part.open("wb") as file:
            done = 0
            for keys, rows in parts:
                _put(file, 8 * done, keys.astype("<u8", copy=False))
                _put(file, 8 * total + 4 * done, rows.astype("<u4", copy=False))
                done += len(keys)
        return _open(path)


def _put(file: BinaryIO, place: int, values: NDArray[np.unsignedinteger]) -> None:
    file.seek(place)
    file.write(values.tobytes())


def _open(path: Path) -> _Segment:
    count = path.stat().st_size // _WIDTH
    keys = np.memmap(path, dtype="<u8", mode="r", shape=(count,))
    rows = np.memmap(path, dtype="<u4", mode="r", offset=8 * count, shape=(count,))
    return _Segment(path.name, keys, rows)


def _alike(older: _Segment, newer: _Segment) -> bool:
    return len(older.keys) <= 2 * len(newer.keys)


def _merged(one: _Segment, other: _Segment) -> Iterable[tuple[Keys, Rows]]:
    """Both segments in order of keys, in parts."""
    if len(one.keys) < len(other.keys):
        one, other = other, one
    start = begin = 0
    while start < len(one.keys):
        if start + _CHUNK >= len(one.keys):
            end, stop = len(one.keys), len(other.keys)
        else:
            last = one.keys[start + _CHUNK - 1]
            end = int(np.searchsorted(one.keys, last, side="right"))
            stop = int(np.searchsorted(other.keys, last, side="right"))
            if end == len(one.keys):  # its last key is many: the rest of the other comes along
                stop = len(other.keys)
        keys = np.concatenate([one.keys[start:end], other.keys[begin:stop]])
        rows = np.concatenate([one.rows[start:end], other.rows[begin:stop]])
        order = np.argsort(keys, kind="stable")
        yield keys[order], rows[order]
        start, begin = end, stop
