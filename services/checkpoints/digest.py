"""The digest that names a model: SHA-256 over the files that determine its output."""

from __future__ import annotations

import hashlib
from pathlib import Path

_SUFFIXES = (".safetensors", ".bin", ".json", ".model", ".txt", ".jinja")
_CHUNK = 1 << 20


def digest(folder: Path) -> str:
    """SHA-256, hex, over names and contents of the folder's model files."""
    total = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.suffix in _SUFFIXES:
            total.update(f"{path.name}\0{path.stat().st_size}\0".encode())
            _feed(total, path)
    return total.hexdigest()


def _feed(total: hashlib._Hash, path: Path) -> None:
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            total.update(chunk)
