"""The docstrings of this installation, kept between runs: reading them takes half a minute.

The file lies in the user's cache folder (XDG_CACHE_HOME, else ~/.cache) and is named by
all that its content depends on, so that a changed installation makes a new one.
"""

from __future__ import annotations

import hashlib
import logging
import os
import sys
from importlib.metadata import distributions
from pathlib import Path

from stillhouse.corpus.docstrings import docstrings
from stillhouse.corpus.document import SourceDocument
from stillhouse.corpus.read import read
from stillhouse.corpus.write import write_jsonl
from stillhouse.recipe import Corpus

log = logging.getLogger(__name__)

_FORMAT = 1  # goes up when docstrings() would give other documents


def cached_docstrings(min_sentences: int) -> list[SourceDocument]:
    """`docstrings(min_sentences)`, read from the cache where it is there already."""
    path = cache_folder() / f"docstrings-{_key(min_sentences)}.jsonl"
    if path.is_file():
        everything = Corpus(source=str(path), min_sentences=min_sentences, max_characters=10**9)
        return read(everything).documents
    documents = docstrings(min_sentences)
    try:
        write_jsonl(path, documents)
    except OSError as error:
        log.info("docstrings are not cached: %s", error)
    return documents


def cache_folder() -> Path:
    """Where this user's cached files of Stillhouse lie."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "stillhouse"


def _key(min_sentences: int) -> str:
    installed = sorted(f"{one.name}=={one.version}" for one in distributions())
    parts = [str(_FORMAT), sys.version, sys.prefix, str(min_sentences), *installed]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
