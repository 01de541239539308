"""`python -m services.trainer`"""

from __future__ import annotations

import asyncio

import torch

from services.runtime import queue_watch, streams
from services.runtime.server import Server, run, serving, until_stopped
from services.runtime.streams import Publisher
from services.topology import stream_specs
from services.trainer.conductor import Backends
from services.trainer.rpc import TrainerService
from services.trainer.runs import Runs
from services.trainer.settings import TrainerSettings
from stillhouse.filter.client import AsyncFilterClient
from stillhouse.generator.client import AsyncGeneratorClient
from stillhouse.trainer.v1.trainer_pb2_grpc import add_TrainerServiceServicer_to_server


async def main(settings: TrainerSettings) -> None:
    """Serve until SIGTERM; an active run is stopped then and can be resumed."""
    if settings.threads:
        torch.set_num_threads(settings.threads)
    tls, token = settings.peers_tls, settings.peers_token
    client = await streams.connect(settings.nats_url, "trainer")
    try:
        async with (
            AsyncGeneratorClient(settings.generator_target, tls=tls, token=token) as generator,
            AsyncGeneratorClient(
                settings.workers_target or settings.generator_target, tls=tls, token=token
            ) as workers,
            AsyncFilterClient(settings.filter_target, timeout=600, tls=tls, token=token) as judge,
        ):
            js = client.jetstream()
            backends = Backends(
                js,
                Publisher(js),
                generator,
                workers,
                judge,
                settings.shard_rows,
                settings.training_processes,
            )
            runs = Runs(settings.runs_dir, settings.models_dir, backends)
            server = Server(settings, ("stillhouse.trainer.v1.TrainerService",))
            add_TrainerServiceServicer_to_server(TrainerService(runs), server.grpc)
            async with serving(server):
                await server.ready()
                specs = stream_specs(settings.ack_wait)
                await until_stopped(_conduct(runs), queue_watch.watch(js, specs))
    finally:
        await client.close()


async def _conduct(runs: Runs) -> None:
    try:
        await asyncio.Event().wait()
    finally:
        await runs.close()


if __name__ == "__main__":
    run(TrainerSettings, main)
