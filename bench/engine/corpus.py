"""Real text from this machine's own files as token ids, the same on every run.

Documentation, sources and manual pages below the roots, files of equal content once. A token is a
word, a number or a sign; the 65,000 most frequent get ids, all others share the last one. Every
fiftieth document, after a seeded shuffle, is held out for queries.
"""

import gzip
import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

TOKEN = re.compile(rb"[A-Za-z]+|[0-9]+|[^\sA-Za-z0-9]")
VOCABULARY = 65_000
LARGEST_FILE = 4_000_000
NOT_TEXT = {".so", ".a", ".o", ".pyc", ".mo", ".png", ".svg", ".xz", ".zip", ".whl", ".ttf", ".jar"}

Array = npt.NDArray[Any]


class Corpus(NamedTuple):
    """Tokens of the indexed documents, and of the held-out ones."""

    tokens: Array
    offsets: Array
    held_out: Array


def contents(roots: list[Path]) -> Iterator[bytes]:
    """Text of the files below the roots in order of their names, each content once."""
    seen: set[bytes] = set()
    for root in roots:
        for path in sorted(root.rglob("*")):
            if path.suffix in NOT_TEXT or path.is_symlink() or not path.is_file():
                continue
            try:
                data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else head(path)
            except (OSError, EOFError):
                continue
            digest = hashlib.blake2b(data, digest_size=16).digest()
            if len(data) > 200 and b"\0" not in data[:LARGEST_FILE] and digest not in seen:
                seen.add(digest)
                yield data[:LARGEST_FILE]


def head(path: Path) -> bytes:
    """The start of a file, next to nothing of one that isn't text."""
    with path.open("rb") as file:
        start = file.read(4096)
        return b"" if b"\0" in start else start + file.read(LARGEST_FILE - 4096)


def collect(roots: list[Path], wanted: int) -> Corpus:
    """At least `wanted` tokens if the files hold them, at most one file more."""
    numbers: dict[bytes, int] = {}
    documents: list[Array] = []
    frequency: Counter[int] = Counter()
    total = 0
    for data in contents(roots):
        words = TOKEN.findall(data)
        ids = np.array([numbers.setdefault(w, len(numbers)) for w in words], dtype=np.uint32)
        documents.append(ids)
        total += len(ids)
        if total > wanted * 1.03:
            break
    kinds = np.bincount(np.concatenate(documents), minlength=len(numbers))
    frequency.update(dict(enumerate(kinds.tolist())))
    new_ids = np.full(len(numbers), VOCABULARY, dtype=np.uint16)
    for new, (old, _) in enumerate(frequency.most_common(VOCABULARY)):
        new_ids[old] = new
    order = np.random.default_rng(7).permutation(len(documents))
    held = [new_ids[documents[i]] for i in order[::50]]
    kept = [new_ids[documents[i]] for n, i in enumerate(order) if n % 50]
    offsets = np.concatenate([[0], np.cumsum([len(d) for d in kept])]).astype(np.uint64)
    return Corpus(np.concatenate(kept), offsets, np.concatenate(held))


def load(cache: Path, roots: list[Path], wanted: int) -> Corpus:
    """The corpus kept from an earlier run, or a new one."""
    file = cache / f"corpus-{wanted}.npz"
    if file.exists():
        with np.load(file) as saved:
            return Corpus(saved["tokens"], saved["offsets"], saved["held_out"])
    corpus = collect(roots, wanted)
    cache.mkdir(parents=True, exist_ok=True)
    np.savez(file, **corpus._asdict())
    return corpus
