"""The model that a generator process holds: swapped by pointer, used one call at a time."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from services.checkpoints.digest import digest
from services.checkpoints.load import LoadedModel, load
from services.generator.fitted import fit
from stillhouse.errors import (
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    ResourceExhausted,
)
from stillhouse.generator.types import ModelDescription, ModelPointer

log = logging.getLogger(__name__)

_FROZEN = "this generator is a critic: its model is frozen"

_T = TypeVar("_T")
Work = Callable[[LoadedModel, Callable[[], bool]], _T]


class ModelHolder:
    """Holds one model, or none yet; `use` runs work on it in a thread of its own."""

    def __init__(self, *, frozen: bool = False, max_waiting: int = 64) -> None:
        self._frozen = frozen
        self._max_waiting = max_waiting
        self._waiting = 0
        self._loaded: LoadedModel | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="model")
        self._loading = asyncio.Lock()

    @property
    def loaded(self) -> LoadedModel | None:
        """The model, or None before the first load."""
        return self._loaded

    async def load(self, pointer: ModelPointer) -> LoadedModel:
        """Make `pointer` the model, unless it is already; work under way is finished first."""
        if not pointer.uri:
            raise InvalidArgument("model.uri", "is empty; give the folder of a model")
        async with self._loading:
            present = self._loaded
            if present is not None and present.pointer.digest == pointer.digest:
                return present
            if self._frozen and present is not None:
                raise FailedPrecondition(_FROZEN)
            loop = asyncio.get_running_loop()
            self._loaded = await loop.run_in_executor(self._thread, _load_checked, pointer)
            log.info("model loaded", extra={"uri": pointer.uri, "digest": pointer.digest})
            return self._loaded

    def describe(self, loaded: LoadedModel) -> ModelDescription:
        """What `loaded` is."""
        config = loaded.model.config
        architectures = getattr(config, "architectures", None) or [type(loaded.model).__name__]
        return ModelDescription(
            pointer=loaded.pointer,
            parameters=loaded.parameters,
            architecture=architectures[0],
            context_length=getattr(config, "max_position_embeddings", 0) or 0,
            load_refused=_FROZEN if self._frozen else "",
        )

    async def use(self, loaded: LoadedModel, work: Work[_T]) -> _T:
        """Run `work(loaded, cancelled)` after the calls before it; it stops if the caller does."""
        if self._waiting >= self._max_waiting:
            raise ResourceExhausted(f"{self._waiting} calls wait for the model", retry_after=1.0)
        stop = threading.Event()
        loop = asyncio.get_running_loop()
        self._waiting += 1
        try:
            return await loop.run_in_executor(self._thread, work, loaded, stop.is_set)
        finally:
            stop.set()
            self._waiting -= 1


def _load_checked(pointer: ModelPointer) -> LoadedModel:
    folder = Path(pointer.uri)
    if not folder.is_dir():
        raise NotFound(f"no model at {folder}")
    try:
        found = digest(folder)
    except OSError as error:
        raise FailedPrecondition(f"cannot read {error.filename}: {error.strerror}") from None
    if pointer.digest and found != pointer.digest:
        raise FailedPrecondition(
            f"the files at {folder} have digest {found[:12]}, not {pointer.digest[:12]}: "
            "the folder was changed or is not complete"
        )
    return fit(load(ModelPointer(pointer.uri, found, pointer.generation)))
