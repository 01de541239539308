"""The candidates of a run, and an index's real answers, asked once and given again."""

from __future__ import annotations

import functools
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.rpc import servers
from services.filter.evidence import Backends
from services.filter.layers.base import CorpusMatch
from services.filter.remote import Limits, RemoteIndexes
from services.trainer import tables
from services.trainer.files import RunFolder, read_table
from stillhouse.filter.types import Candidate, Document
from stillhouse.generator.types import Score, ScoreItem
from stillhouse.index.client import AsyncIndexClient

Match = tuple[CorpusMatch, ...] | None


@dataclass(frozen=True, slots=True)
class Work:
    """Documents and the candidates about them."""

    documents: list[Document]
    candidates: list[Candidate]


class Replay:
    """Answers as an index gave them; no critic."""

    def __init__(self, answers: dict[str, Match]) -> None:
        self._answers = answers

    async def match(self, texts: Sequence[str]) -> list[Match]:
        """What was answered before."""
        return [self._answers[text] for text in texts]

    async def score(self, items: Sequence[ScoreItem]) -> list[Score]:
        """No layer here asks a critic."""
        raise NotImplementedError(f"{len(items)} items for a critic")

    @property
    def backends(self) -> Backends:
        """This in the place of both services."""
        return Backends(self, self)


def read_work(run: Path) -> Work:
    """All candidates of the run's complete generations, with their documents."""
    folder = RunFolder(run)
    training, _ = tables.documents_from(read_table(folder.documents))
    texts = {one.id: one.text for one in training}
    candidates: list[Candidate] = []
    for path in sorted((run / "verdicts").glob("gen-*.parquet")):
        candidates += tables.judged_from(read_table(path))[0]
    used = dict.fromkeys(one.source_id for one in candidates)
    return Work([Document(name, texts[name]) for name in used], candidates)


async def record(work: Work, index: Path) -> Replay:
    """Ask the index service for every candidate's text, once."""
    texts = list(dict.fromkeys(one.text for one in work.candidates if one.text))
    with servers.index(index) as server:
        async with AsyncIndexClient(server.target) as client:
            found = await RemoteIndexes(client, [""], Limits(items=256)).match(texts)
    return Replay(dict(zip(texts, found, strict=True)))


def forget() -> None:
    """Empty the caches of the filter, as for texts that were never seen."""
    for name, module in list(sys.modules.items()):
        if name.startswith("services.filter"):
            for value in vars(module).values():
                for cache in (value, *getattr(value, "caches", ())):
                    if isinstance(cache, functools._lru_cache_wrapper):
                        cache.cache_clear()
