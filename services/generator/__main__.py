"""`python -m services.generator`: a teacher, or what STILLHOUSE_ROLE says."""

from __future__ import annotations

import asyncio

from services.generator import metrics
from services.generator.backends.base import Backend
from services.generator.backends.choice import open_backend
from services.generator.consumer import PromptHandler
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
    backend = open_backend(settings)
    try:
        server = Server(settings, ("stillhouse.generator.v1.GeneratorService",))
        service = GeneratorService(backend, settings)
        add_GeneratorServiceServicer_to_server(service, server.grpc)
        async with serving(server):
            await until_stopped(_work(settings, backend, server))
    finally:
        await backend.close()


async def _work(settings: GeneratorSettings, backend: Backend, server: Server) -> None:
    await backend.start()
    if settings.model_uri:
        model = await backend.load(ModelPointer(settings.model_uri, settings.model_digest))
        metrics.loaded(model.pointer)
    if settings.role != "teacher":
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
            handle=PromptHandler(backend, publisher),
            dead=DeadLetterBox(publisher),
            ack_wait=settings.ack_wait,
        ).run()
    finally:
        await client.close()


if __name__ == "__main__":
    run(GeneratorSettings, main)
