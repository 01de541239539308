"""The same documents twice: whole in one index service, and in three behind a front."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from stillhouse.index.client import IndexClient
from tests.support.service_process import ServiceProcess, started

MODULE = "services.index"


@dataclass(frozen=True)
class Twins:
    """Clients of the whole and of the front; the shards' processes and addresses."""

    whole: IndexClient
    front: IndexClient
    front_target: str
    whole_target: str
    shards: list[ServiceProcess]


@contextmanager
def serving_twins(whole: Path, parts: list[Path], tokenizer: Path | None = None) -> Iterator[Twins]:
    """Serve an index and its parts, each part by a process of its own; all are ready."""
    with ExitStack() as stack:
        shards = [stack.enter_context(started(MODULE, INDEXES=f"part={one}")) for one in parts]
        one = stack.enter_context(started(MODULE, INDEXES=f"words={whole}"))
        front = stack.enter_context(front_of([shard.target for shard in shards], tokenizer))
        for service in (one, front):
            service.wait_for("index ready")
        yield Twins(
            stack.enter_context(IndexClient(one.target)),
            stack.enter_context(IndexClient(front.target)),
            front.target,
            one.target,
            shards,
        )


@contextmanager
def front_of(targets: list[str], tokenizer: Path | None = None) -> Iterator[ServiceProcess]:
    """A front of shards; not yet ready."""
    addresses = ",".join(f"{target}/part" for target in targets)
    settings = {"SHARDS": f"words={addresses}", "SHARD_SECONDS": "0.2"}
    if tokenizer is not None:
        settings["SHARD_TOKENIZERS"] = f"words={tokenizer}"
    with started(MODULE, **settings) as service:
        yield service
