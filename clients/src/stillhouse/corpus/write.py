"""Writing documents to a file, whole or not at all."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from stillhouse.corpus.document import SourceDocument


def write_jsonl(path: Path, documents: Iterable[SourceDocument]) -> None:
    """One object a line with id, text and summary; `path` is replaced when all is written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    part = Path(name)
    try:
        with open(handle, "w", encoding="utf-8") as file:
            file.writelines(_line(document) for document in documents)
            file.flush()
            os.fsync(file.fileno())
        part.chmod(0o644)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _line(document: SourceDocument) -> str:
    row = {"id": document.id, "text": document.text, "summary": document.reference}
    return json.dumps(row, ensure_ascii=False) + "\n"
