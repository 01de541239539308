"""Which checkpoints of a training can be gone on from.

transformers writes one file after the other; a kill may come between them. So a checkpoint
counts once it bears a mark, which also says what was trained: settings, samples, start.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from services.runtime.disk import sync
from services.trainer.files import write_text

_MARK = "whole"


def mark(checkpoint: Path, training: str) -> None:
    """Say that a checkpoint is whole, once its files have reached the disk."""
    for path in sorted(checkpoint.rglob("*")):
        if path.is_file():
            sync(path)
    write_text(checkpoint / _MARK, training)


def latest(folder: Path, training: str) -> Path | None:
    """The last whole checkpoint of this training; what is anything else is removed."""
    found: list[Path] = []
    for path in folder.glob("checkpoint-*"):
        marked = path / _MARK
        if marked.is_file() and marked.read_text(encoding="utf-8") == training:
            found.append(path)
        else:
            shutil.rmtree(path, ignore_errors=True)
    return max(found, key=step, default=None)


def step(checkpoint: Path) -> int:
    """The optimiser step after which a checkpoint was written."""
    return int(checkpoint.name.rpartition("-")[2])
