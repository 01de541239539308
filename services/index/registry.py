"""The indexes of this process by name, loading or ready, and their aliases."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias

from services.index import metrics
from services.index.corpus import Documents, Ngrams
from services.index.document_ids import METADATA, DocumentIds
from services.index.engine import Engine
from services.index.excerpts import LocalDocuments
from services.index.tokenizer import FILE_NAME, IndexTokenizer
from stillhouse.errors import FailedPrecondition, InvalidArgument, NotFound, Unavailable
from stillhouse.index.types import IndexInfo

log = logging.getLogger(__name__)

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True, slots=True)
class LoadedIndex:
    """An index that answers; without a tokenizer it answers queries by ids only."""

    name: str
    engine: Ngrams
    tokenizer: IndexTokenizer | None
    documents: Documents

    def require_tokenizer(self) -> IndexTokenizer:
        """The tokenizer, or FailedPrecondition."""
        if self.tokenizer is None:
            raise FailedPrecondition(f"index {self.name!r} has no tokenizer; query it by token ids")
        return self.tokenizer


Open: TypeAlias = Callable[[], LoadedIndex]
"""Opens an index; blocks. Raises StillhouseError."""


def open_index(name: str, folder: Path, preload: bool) -> LoadedIndex:
    """The index in a folder with the tokenizer.json and the document ids it was built with.

    Raises NotFound or FailedPrecondition if the files are missing, damaged, or do not
    belong together.
    """
    engine = Engine.open(folder, preload)
    checksum = engine.metadata.get(METADATA, "")
    ids = DocumentIds.open(folder, checksum, engine.documents) if checksum else None
    if not engine.tokenizer_sha256:
        return LoadedIndex(name, engine, None, LocalDocuments(engine, None, ids))
    try:
        tokenizer = IndexTokenizer.read(folder / FILE_NAME)
    except InvalidArgument as error:
        raise FailedPrecondition(f"index {name!r}: {error.reason}") from None
    if tokenizer.sha256 != engine.tokenizer_sha256:
        raise FailedPrecondition(
            f"index {name!r}: {folder / FILE_NAME} is not the file the corpus was cut with "
            f"(SHA-256 {tokenizer.sha256}, the index names {engine.tokenizer_sha256})"
        )
    return LoadedIndex(name, engine, tokenizer, LocalDocuments(engine, tokenizer, ids))


class Registry:
    """Names to indexes; `load` fills it while calls are answered already.

    An index that is swapped or forgotten lives on with the calls that hold it.
    `root` is the folder below which indexes may be opened on demand; None allows none.
    `others` are indexes that are opened in a way of their own.
    """

    def __init__(
        self,
        folders: Mapping[str, Path],
        preload: bool = False,
        root: Path | None = None,
        others: Mapping[str, Open] | None = None,
    ) -> None:
        opens = {name: partial(open_index, name, at, preload) for name, at in folders.items()}
        self._opens: dict[str, Open] = dict(sorted((opens | dict(others or {})).items()))
        self._root = root
        self._loaded: dict[str, LoadedIndex] = {}
        self._aliases: dict[str, str] = {}
        self._changing = threading.Lock()

    def load(self, only: str = "") -> None:
        """Open every configured index, or one of them; blocks. Raises as `open_index`.

        What was swapped or forgotten in the meantime stays so.
        """
        for name, opening in list(self._opens.items()):
            if only in ("", name) and name not in self._loaded:
                index = opening()
                if self._opens.get(name) is opening:
                    self.take(name, index, opening)

    def get(self, name: str) -> LoadedIndex:
        """The index of a name or an alias; the only one if `name` is empty.

        NAME@DIGEST is answered by that content alone. Raises InvalidArgument if the empty
        name is ambiguous, NotFound for an unknown one, Unavailable while the index is
        loading, FailedPrecondition for another digest.
        """
        found = self._loaded.get(self._aliases.get(name, name))
        if found is not None:
            return found
        if "@" in name:
            return self._with_digest(*name.split("@", 1))
        if not name and len(self._opens) == 1:
            return self.get(next(iter(self._opens)))
        if not name:
            known = self._known()
            raise InvalidArgument("index", f"is empty; name one of this server's: {known}")
        if name not in self._opens:
            raise NotFound(f"no index {name!r}; this server holds: {self._known()}")
        raise Unavailable(f"index {name!r} is loading")

    def _with_digest(self, name: str, digest: str) -> LoadedIndex:
        found = self.get(name)
        if found.engine.digest != digest:
            raise FailedPrecondition(
                f"index {name!r} has the digest {found.engine.digest}, asked for was {digest}"
            )
        return found

    def names(self) -> list[str]:
        """The indexes' names, in order."""
        return sorted(self._opens)

    def ready(self) -> bool:
        """True when every index answers."""
        return all(name in self._loaded for name in self._opens)

    def infos(self) -> list[IndexInfo]:
        """Every index in order of the names; sizes are 0 while it is loading."""
        return [self.info(name) for name in self.names()]

    def info(self, name: str) -> IndexInfo:
        """One index."""
        index = self._loaded.get(name)
        aliases = tuple(sorted(one for one, of in self._aliases.items() if of == name))
        if index is None:
            return IndexInfo(name, False, 0, 0, "", "", aliases)
        engine = index.engine
        return IndexInfo(
            name, True, engine.tokens, engine.documents, engine.tokenizer_sha256, engine.digest,
            aliases,
        )  # fmt: skip

    def open(self, name: str, folder: str, preload: bool, digest: str) -> IndexInfo:
        """Open an index below the root under a name, in use or not; blocks.

        Raises InvalidArgument, NotFound and FailedPrecondition as LoadIndex promises.
        """
        root = self._administered()
        _check_name("name", name)
        if name in self._aliases:
            raise InvalidArgument("name", f"{name!r} is an alias; give an index's name")
        opening = partial(open_index, name, _below(root, folder), preload)
        index = opening()
        if digest and index.engine.digest != digest:
            raise FailedPrecondition(
                f"{folder} has the digest {index.engine.digest}, asked for was {digest}"
            )
        self.take(name, index, opening)
        return self.info(name)

    def forget(self, name: str) -> None:
        """Forget an index; raises as UnloadIndex promises."""
        self._administered()
        _check_name("name", name)
        with self._changing:
            if name not in self._opens:
                raise NotFound(f"no index {name!r}; this server holds: {self._known()}")
            if aliases := sorted(one for one, of in self._aliases.items() if of == name):
                raise FailedPrecondition(
                    f"the aliases {', '.join(aliases)} point to {name!r}; move or remove them first"
                )
            self._opens = {one: opens for one, opens in self._opens.items() if one != name}
            if index := self._loaded.pop(name, None):
                metrics.gone(name, index.engine.digest)

    def alias(self, alias: str, name: str) -> None:
        """Point an alias to an index, or remove it if `name` is empty."""
        self._administered()
        _check_name("alias", alias)
        with self._changing:
            if alias in self._opens:
                raise InvalidArgument("alias", f"{alias!r} is an index's name")
            if not name:
                self._aliases.pop(alias, None)
            elif name in self._opens:
                self._aliases[alias] = name
            else:
                raise NotFound(f"no index {name!r}; this server holds: {self._known()}")

    def take(self, name: str, index: LoadedIndex, opening: Open) -> None:
        """Answer a name with an index from now on."""
        with self._changing:
            self._opens = dict(sorted({**self._opens, name: opening}.items()))
            before = self._loaded.get(name)
            self._loaded[name] = index
        engine = index.engine
        metrics.serves(
            name, engine.digest, engine.tokens, engine.documents,
            before.engine.digest if before else "",
        )  # fmt: skip
        log.info("index ready", extra={"index": name, "tokens": index.engine.tokens})

    def _known(self) -> str:
        return ", ".join(self._opens) or "none"

    def _administered(self) -> Path:
        if self._root is None:
            raise FailedPrecondition(
                "this server's indexes are fixed; set STILLHOUSE_INDEX_ROOT, and serve with one "
                "process, to change them"
            )
        return self._root


def _check_name(field: str, name: str) -> None:
    if not _NAME.fullmatch(name) or len(name) > 100:
        raise InvalidArgument(field, "must be up to 100 letters, digits, . _ - and begin with one")


def _below(root: Path, folder: str) -> Path:
    """The folder, which may not lie outside the root, also not by links."""
    if not folder or "\0" in folder:
        raise InvalidArgument("folder", "is missing; give a folder relative to the index root")
    root = root.resolve()
    try:
        found = (root / folder).resolve()
    except OSError as error:
        raise InvalidArgument("folder", f"is no path: {error.strerror}") from None
    if found == root or root not in found.parents:
        raise InvalidArgument("folder", "lies outside the server's index root")
    return found
