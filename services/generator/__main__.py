"""`python -m services.generator`: a teacher, or with STILLHOUSE_ROLE=critic a critic."""

from __future__ import annotations

import asyncio

import torch

from services.generator.consumer import PromptHandler
from services.generator.model import ModelHolder
from services.generator.rpc import GeneratorService
from services.generator.settings import GeneratorSettings
from services.runtime import streams
from services.runtime.server import Server, run, serving, until_stopped
from services.runtime.streams import Publisher
from services.runtime.worker import Worker
from services.topology import GENERATORS, PROMPTS, DeadLetterBox
from stillhouse.generator.types import ModelPointer
from stillhouse.generator.v1.generator_pb2_grpc import add_GeneratorServiceServicer_to_server


async def main(settings: GeneratorSettings) -> None:
    """Serve until SIGTERM; a teacher also works on the queue."""
    if settings.threads:
        torch.set_num_threads(settings.threads)
    holder = ModelHolder(frozen=settings.role == "critic", max_waiting=settings.max_waiting)
    server = Server(settings, ("stillhouse.generator.v1.GeneratorService",))
    add_GeneratorServiceServicer_to_server(GeneratorService(holder, settings), server.grpc)
    async with serving(server):
        await until_stopped(_work(settings, holder, server))


async def _work(settings: GeneratorSettings, holder: ModelHolder, server: Server) -> None:
    if settings.model_uri:
        await holder.load(ModelPointer(settings.model_uri, settings.model_digest))
    if settings.role == "critic":
        await server.ready()
        await asyncio.Event().wait()
    client = await streams.connect(settings.nats_url, "generator")
    try:
        js = client.jetstream()
        publisher = Publisher(js)
        await server.ready()
        await Worker(
            js,
            stream=PROMPTS,
            consumer=GENERATORS,
            handle=PromptHandler(holder, publisher, settings.memory_mib * 2**20),
            dead=DeadLetterBox(publisher),
            ack_wait=settings.ack_wait,
        ).run()
    finally:
        await client.close()


if __name__ == "__main__":
    run(GeneratorSettings, main)
