"""The indexes of this process by name, loading or ready."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from services.index.engine import Engine
from services.index.tokenizer import FILE_NAME, IndexTokenizer
from stillhouse.errors import FailedPrecondition, InvalidArgument, NotFound, Unavailable
from stillhouse.index.types import IndexInfo

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LoadedIndex:
    """An index that answers; without a tokenizer it answers queries by ids only."""

    name: str
    engine: Engine
    tokenizer: IndexTokenizer | None

    def require_tokenizer(self) -> IndexTokenizer:
        """The tokenizer, or FailedPrecondition."""
        if self.tokenizer is None:
            raise FailedPrecondition(f"index {self.name!r} has no tokenizer; query it by token ids")
        return self.tokenizer


def open_index(name: str, folder: Path, preload: bool) -> LoadedIndex:
    """The index in a folder with the tokenizer.json in it, if it was built with one.

    Raises NotFound or FailedPrecondition if the files are missing, damaged, or do not
    belong together.
    """
    engine = Engine.open(folder, preload)
    if not engine.tokenizer_sha256:
        return LoadedIndex(name, engine, None)
    try:
        tokenizer = IndexTokenizer.read(folder / FILE_NAME)
    except InvalidArgument as error:
        raise FailedPrecondition(f"index {name!r}: {error.reason}") from None
    if tokenizer.sha256 != engine.tokenizer_sha256:
        raise FailedPrecondition(
            f"index {name!r}: {folder / FILE_NAME} is not the file the corpus was cut with "
            f"(SHA-256 {tokenizer.sha256}, the index names {engine.tokenizer_sha256})"
        )
    return LoadedIndex(name, engine, tokenizer)


class Registry:
    """Names to indexes; `load` fills it while calls are answered already."""

    def __init__(self, folders: Mapping[str, Path], preload: bool = False) -> None:
        self._folders = dict(sorted(folders.items()))
        self._preload = preload
        self._loaded: dict[str, LoadedIndex] = {}

    def load(self) -> None:
        """Open every index, in order of the names; blocks. Raises as `open_index`."""
        for name, folder in self._folders.items():
            index = open_index(name, folder, self._preload)
            self._loaded[name] = index
            log.info("index ready", extra={"index": name, "tokens": index.engine.tokens})

    def get(self, name: str) -> LoadedIndex:
        """The index of a name; the only one if `name` is empty.

        Raises InvalidArgument if the empty name is ambiguous, NotFound for an unknown
        one, Unavailable while the index is loading.
        """
        if not name and len(self._folders) == 1:
            name = next(iter(self._folders))
        known = ", ".join(self._folders) or "none"
        if not name:
            raise InvalidArgument("index", f"is empty; name one of this server's: {known}")
        if name not in self._folders:
            raise NotFound(f"no index {name!r}; this server holds: {known}")
        if name not in self._loaded:
            raise Unavailable(f"index {name!r} is loading")
        return self._loaded[name]

    def infos(self) -> list[IndexInfo]:
        """Every index in order of the names; sizes are 0 while it is loading."""
        return [self._info(name) for name in self._folders]

    def _info(self, name: str) -> IndexInfo:
        index = self._loaded.get(name)
        if index is None:
            return IndexInfo(name, False, 0, 0, "", "")
        engine = index.engine
        return IndexInfo(
            name, True, engine.tokens, engine.documents, engine.tokenizer_sha256, engine.digest
        )
