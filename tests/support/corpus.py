"""A small corpus of real prose for tests: the help topics of this Python."""

from __future__ import annotations

import json
from pathlib import Path

from stillhouse.corpus.topics import topics


def write_corpus(path: Path, count: int, characters: int = 300) -> Path:
    """Write `count` documents as JSONL with references; the same for the same Python."""
    rows = []
    for document in topics():
        for number, paragraph in enumerate(document.text.split("\n\n")):
            text = " ".join(paragraph.split())
            if len(text) >= characters // 2:
                row = {"id": f"{document.id}/{number}", "text": text[:characters]}
                rows.append(row | {"summary": text[:40]})
    path.write_text("".join(json.dumps(row) + "\n" for row in rows[:count]), encoding="utf-8")
    return path
