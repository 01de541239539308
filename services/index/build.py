"""Building an index: documents and a tokenizer in, a folder out.

The folder holds what the engine wrote and, beside that, the tokenizer.json the corpus
was cut with. It is filled under another name and renamed, so that it is there as a
whole or not at all.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.index.document_ids import METADATA, DocumentIds
from services.index.engine import write_index
from services.index.tokenizer import FILE_NAME, IndexTokenizer
from services.runtime.disk import sync
from stillhouse.errors import InvalidArgument

_BATCH = 1024  # documents tokenised at once


@dataclass(frozen=True, slots=True)
class BuiltIndex:
    """Size of an index that was built."""

    documents: int
    tokens: int


def build_index(
    texts: Iterable[str], tokenizer: Path, folder: Path, ids: Sequence[str] | None = None
) -> BuiltIndex:
    """Write the index of `texts`, one document each, to `folder`, which must not exist.

    `ids` are the documents' ids; they are read after the last text, so that a list may
    grow with the texts. They are kept with the index unless all are empty.
    `tokenizer` is a tokenizer.json. Raises InvalidArgument for a tokenizer that cannot
    be read, a folder that exists and is not empty, and texts without a single token.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InvalidArgument("out", f"{folder} exists; give a new folder, or remove it")
    cutter = IndexTokenizer.read(tokenizer)
    tokens, offsets = _cut(texts, cutter)
    if not len(tokens):
        raise InvalidArgument("sources", "hold no token; there is nothing to index")
    kept = _ids(ids or (), len(offsets) - 1)
    folder.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        metadata = {METADATA: kept.sha256} if kept else None
        write_index(tokens, offsets, part / "index", cutter.sha256, metadata)
        if kept:
            kept.write(part / "index")
        _copy_durably(tokenizer, part / "index" / FILE_NAME)
        _publish(part / "index", folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return BuiltIndex(documents=len(offsets) - 1, tokens=len(tokens))


def _ids(ids: Sequence[str], documents: int) -> DocumentIds | None:
    if not any(ids):
        return None
    if len(ids) != documents:
        raise InvalidArgument("ids", f"are {len(ids)} for {documents} documents")
    return DocumentIds.of(ids)


def _cut(
    texts: Iterable[str], tokenizer: IndexTokenizer
) -> tuple[NDArray[Any], NDArray[np.uint64]]:
    """All tokens (n,) in the narrowest type, and the offsets (m + 1,) of m documents."""
    kind = np.uint16 if tokenizer.largest_id < 2**16 else np.uint32
    parts, sizes = [np.empty(0, kind)], [np.zeros(1, np.uint64)]
    for batch in _batches(texts):
        ids = tokenizer.ids(batch)
        parts.append(np.concatenate(ids).astype(kind))
        sizes.append(np.array([len(one) for one in ids], np.uint64))
    return np.concatenate(parts), np.cumsum(np.concatenate(sizes), dtype=np.uint64)


def _batches(texts: Iterable[str]) -> Iterator[list[str]]:
    iterator = iter(texts)
    while batch := list(islice(iterator, _BATCH)):
        yield batch


def _copy_durably(source: Path, target: Path) -> None:
    shutil.copyfile(source, target)
    sync(target)


def _publish(part: Path, folder: Path) -> None:
    """Rename, and make the new names last."""
    sync(part)
    try:
        part.replace(folder)
    except OSError as error:  # another build was faster
        raise InvalidArgument("out", f"cannot make {folder}: {error.strerror}") from None
    sync(folder.parent)
