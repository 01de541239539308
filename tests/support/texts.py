"""Texts of few words, drawn at random, and files of them."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path

WORDS = (
    *("the", "still", "runs", "hot", "and", "only", "the", "hearts", "are", "kept"),
    *("while", "heads", "and", "tails", "go", "back"),
)


def sentences(seed: int, count: int) -> list[str]:
    """Of 5 to 40 words each."""
    draw = random.Random(seed)
    return [" ".join(draw.choices(WORDS, k=draw.randint(5, 40))) for _ in range(count)]


def write_documents(path: Path, texts: Sequence[str]) -> Path:
    """A JSONL file of them, of the domains a and b in turn."""
    rows = [{"id": str(n), "text": text, "domain": "ab"[n % 2]} for n, text in enumerate(texts)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path
