"""The ids that documents had where they came from, beside the index.

Two files: offsets (m + 1,) of m documents, a numpy array of uint64, and all ids behind
one another as UTF-8. Their SHA-256 is kept with the index, whose digest covers it.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stillhouse.errors import FailedPrecondition

OFFSETS_FILE = "document-ids.offsets.npy"
BYTES_FILE = "document-ids.utf8"
METADATA = "document_ids_sha256"


class DocumentIds:
    """The id of each document, from mapped files."""

    def __init__(self, offsets: NDArray[np.uint64], data: NDArray[np.uint8]) -> None:
        self._offsets = offsets
        self._data = data

    def __len__(self) -> int:
        return len(self._offsets) - 1

    def __getitem__(self, document: int) -> str:
        begin, end = self._offsets[document : document + 2].tolist()
        return self._data[begin:end].tobytes().decode()

    @property
    def sha256(self) -> str:
        """Over offsets and bytes, hex."""
        state = hashlib.sha256(np.ascontiguousarray(self._offsets, "<u8").data)
        state.update(np.ascontiguousarray(self._data).data)
        return state.hexdigest()

    @classmethod
    def of(cls, ids: Sequence[str]) -> DocumentIds:
        """In memory."""
        parts = [one.encode() for one in ids]
        offsets = np.cumsum([0, *map(len, parts)], dtype=np.uint64)
        return cls(offsets, np.frombuffer(b"".join(parts), np.uint8))

    def write(self, folder: Path) -> None:
        """Both files."""
        with (folder / OFFSETS_FILE).open("wb") as file:
            np.save(file, self._offsets)
            file.flush()
            os.fsync(file.fileno())
        with (folder / BYTES_FILE).open("wb") as file:
            file.write(self._data.tobytes())
            file.flush()
            os.fsync(file.fileno())

    @classmethod
    def open(cls, folder: Path, sha256: str, documents: int) -> DocumentIds:
        """Map both files; FailedPrecondition if they are not those the index was built with."""
        try:
            offsets = np.load(folder / OFFSETS_FILE, mmap_mode="r", allow_pickle=False)
            size = (folder / BYTES_FILE).stat().st_size
            data = np.memmap(folder / BYTES_FILE, np.uint8, "r") if size else np.empty(0, np.uint8)
        except (OSError, ValueError) as error:
            raise FailedPrecondition(f"cannot read the document ids in {folder}: {error}") from None
        ids = cls(offsets, data)
        if len(ids) != documents or ids.sha256 != sha256:
            raise FailedPrecondition(
                f"{folder / BYTES_FILE} and {OFFSETS_FILE} are not those the index was built with"
            )
        return ids
