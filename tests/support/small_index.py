"""A small corpus, a tokenizer trained on it, and indexes of both kinds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from services.index.build import build_index
from services.index.engine import write_index

TEXTS = (
    "the still runs hot and the still runs long",
    "only the hearts are kept",
    "the hearts are kept and the still runs again",
)


def make_tokenizer(path: Path) -> Path:
    """A tokenizer of whole words, `?` for unknown ones."""
    tokenizer = Tokenizer(models.WordLevel(unk_token="?"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    trainer = trainers.WordLevelTrainer(special_tokens=["?"], show_progress=False)
    tokenizer.train_from_iterator(TEXTS, trainer)
    # Settings that a model's tokenizer may carry and that must not cut the corpus.
    tokenizer.enable_truncation(2)
    tokenizer.enable_padding(length=5)
    tokenizer.save(str(path))
    return path


def make_text_index(folder: Path) -> Path:
    """An index of TEXTS with its tokenizer."""
    tokenizer = make_tokenizer(folder.with_name("tokenizer.json"))
    build_index(TEXTS, tokenizer, folder)
    return folder


def make_ids_index(folder: Path) -> Path:
    """An index of bare ids: the documents (1, 2, 3) and (2, 3)."""
    tokens, offsets = np.array([1, 2, 3, 2, 3], np.uint32), np.array([0, 3, 5], np.uint64)
    write_index(tokens, offsets, folder, "")
    return folder


def occurrences(text: str) -> int:
    """How often the words of a text occur in TEXTS, the slow way."""
    wanted = text.split()
    return sum(
        words[start : start + len(wanted)] == wanted
        for words in (one.split() for one in TEXTS)
        for start in range(len(words))
    )


def longest_matches(text: str) -> tuple[list[int], list[int]]:
    """Length and count of the longest match from each word, the slow way."""
    words = text.split()
    lengths, counts = [], []
    for start in range(len(words)):
        size = max(
            (n for n in range(len(words) - start + 1) if _count(words[start : start + n])),
            default=0,
        )
        lengths.append(size)
        counts.append(_count(words[start : start + size]) if size else 0)
    return lengths, counts


def _count(words: list[str]) -> int:
    return occurrences(" ".join(words))
