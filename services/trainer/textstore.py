"""Texts by row number, those of before the last flush on disk."""

from __future__ import annotations

import os
from pathlib import Path

_WIDTH = 8  # bytes of an offset


class TextStore:
    """Appends texts and reads any of them again; `rows` is how many the last `flush` kept.

    Whatever lies on disk behind those is cut off when the store is opened.
    """

    def __init__(self, folder: Path, rows: int = 0) -> None:
        self._texts, self._ends = folder / "texts.utf8", folder / "texts.ends"
        self._stored, self._size = rows, 0
        self._new: list[str] = []
        if rows:
            self._size = self._end(rows - 1)
            os.truncate(self._texts, self._size)
            os.truncate(self._ends, rows * _WIDTH)

    def __len__(self) -> int:
        return self._stored + len(self._new)

    def __getitem__(self, row: int) -> str:
        if row >= self._stored:
            return self._new[row - self._stored]
        start = self._end(row - 1) if row else 0
        return _read(self._texts, start, self._end(row) - start).decode()

    def append(self, text: str) -> None:
        """Take a text as the next row."""
        self._new.append(text)

    def flush(self) -> int:
        """Write what is new to disk; returns the number of rows there."""
        if self._new:
            encoded = [text.encode() for text in self._new]
            ends = []
            for one in encoded:
                self._size += len(one)
                ends.append(self._size.to_bytes(_WIDTH, "little"))
            fresh = self._stored == 0
            _append(self._texts, b"".join(encoded), fresh)
            _append(self._ends, b"".join(ends), fresh)
            self._stored, self._new = len(self), []
        return self._stored

    def _end(self, row: int) -> int:
        return int.from_bytes(_read(self._ends, row * _WIDTH, _WIDTH), "little")


def _read(path: Path, start: int, length: int) -> bytes:
    with path.open("rb", buffering=0) as file:
        file.seek(start)
        return file.read(length)


def _append(path: Path, content: bytes, fresh: bool) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb" if fresh else "ab") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
