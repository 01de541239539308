"""The default cascade with its critics: what the order of layers saves, and what the service costs.

The services run as they do in production: filter, critic and index are processes of their own,
the critic with one thread, so that its processor time is the time its model takes.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.filter.replay import Work
from bench.rpc import servers
from services.trainer.cascades import cascade_of
from stillhouse.errors import StillhouseError
from stillhouse.filter.client import AsyncFilterClient
from stillhouse.filter.types import Cascade
from stillhouse.recipe import Recipe

AT_ONCE = 2  # calls, so that one is prepared while the critic works on the other


@dataclass(frozen=True, slots=True)
class Judged:
    """What it took to judge all candidates."""

    candidates: int
    accepted: int
    seconds: float
    model_seconds: float

    @property
    def idle(self) -> float:
        """Time that the critic's model did not work, as a share of the time that it did; infinite
        where no candidate came as far as the critic.
        """
        return self.seconds / self.model_seconds - 1 if self.model_seconds else math.inf


async def compare(batches: Sequence[Work], model: Path, index: Path) -> dict[str, Judged]:
    """The default cascade, and the same layers all scoring every candidate."""
    cascade = cascade_of(Recipe())
    shapes = {"cascade": cascade, "every layer": Cascade(cascade.layers, score_all=True)}
    async with _filter(model, index) as (client, critic):
        await _warm(client, shapes["every layer"], batches[0])
        return {
            name: await _judge(client, critic, shape, batches) for name, shape in shapes.items()
        }


async def _judge(
    client: AsyncFilterClient, critic: servers.Server, cascade: Cascade, batches: Sequence[Work]
) -> Judged:
    limit = asyncio.Semaphore(AT_ONCE)

    async def one(work: Work) -> int:
        async with limit:
            answer = await client.evaluate(cascade, work.documents, work.candidates)
            return sum(verdict.accepted for verdict in answer.verdicts)

    started, used = time.perf_counter(), critic.cpu_seconds()
    accepted = sum(await asyncio.gather(*map(one, batches)))
    return Judged(
        sum(len(work.candidates) for work in batches),
        accepted,
        time.perf_counter() - started,
        critic.cpu_seconds() - used,
    )


async def _warm(client: AsyncFilterClient, cascade: Cascade, work: Work) -> None:
    """Judge a batch, as soon as critic and index are there."""
    end = time.monotonic() + 120
    while True:
        try:
            await client.evaluate(cascade, work.documents, work.candidates)
        except StillhouseError as error:
            if time.monotonic() > end:
                raise SystemExit(f"the filter did not answer in 120 s: {error}") from error
            await asyncio.sleep(1)
        else:
            return


@asynccontextmanager
async def _filter(
    model: Path, index: Path
) -> AsyncIterator[tuple[AsyncFilterClient, servers.Server]]:
    with (
        servers.critic(model, threads=1) as critic,
        servers.index(index) as corpus,
        servers.judge(critic.target, corpus.target) as judge,
    ):
        async with AsyncFilterClient(judge.target, timeout=3600) as client:
            yield client, critic
