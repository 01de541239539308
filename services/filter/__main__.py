"""`python -m services.filter`: judges the batches of the queue, and callers' own by rpc."""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack

from services.filter.consumer import CandidateHandler
from services.filter.costs import Costs
from services.filter.evidence import Backends, CorpusIndex, Nli
from services.filter.masking import check_infills
from services.filter.remote import MASKED_CRITIC, RemoteCritic, RemoteIndexes
from services.filter.rpc import SERVICE, FilterService
from services.filter.settings import FilterSettings
from services.runtime import streams
from services.runtime.server import Server, run, serving, until_stopped
from services.runtime.streams import Publisher
from services.runtime.worker import Worker
from services.topology import CANDIDATES, FILTERS, DeadLetterBox
from stillhouse.errors import StillhouseError
from stillhouse.filter.v1.filter_pb2_grpc import add_FilterServiceServicer_to_server
from stillhouse.generator.client import AsyncGeneratorClient
from stillhouse.generator.types import ModelDescription
from stillhouse.index.client import AsyncIndexClient

log = logging.getLogger("services.filter")

_AGAIN = 1.0  # seconds between looks at a backend that is not ready


async def main(settings: FilterSettings) -> None:
    """Serve until SIGTERM; unless told otherwise, work on the queue too."""
    async with AsyncExitStack() as stack:
        critic = await stack.enter_async_context(
            AsyncGeneratorClient(
                settings.critic_target,
                settings.critic_timeout,
                tls=settings.peers_tls,
                token=settings.peers_token,
            )
        )
        masked = None
        if settings.masked_critic_target:
            masked = await stack.enter_async_context(
                AsyncGeneratorClient(
                    settings.masked_critic_target,
                    settings.critic_timeout,
                    tls=settings.peers_tls,
                    token=settings.peers_token,
                )
            )
        index = await stack.enter_async_context(
            AsyncIndexClient(
                settings.index_target,
                settings.index_timeout,
                tls=settings.peers_tls,
                token=settings.peers_token,
            )
        )
        backends = Backends(
            RemoteCritic(critic, settings.critic_limits),
            RemoteIndexes(index, settings.indexes, settings.index_limits),
            _nli(settings),
            RemoteCritic(masked, settings.critic_limits, MASKED_CRITIC) if masked else None,
        )
        costs = Costs()
        server = Server(settings, (SERVICE,))
        service = FilterService(backends, settings.max_candidates, costs)
        add_FilterServiceServicer_to_server(service, server.grpc)
        await stack.enter_async_context(serving(server))
        await until_stopped(_work(settings, backends, costs, server, critic, masked))


def _nli(settings: FilterSettings) -> Nli | None:
    """The NLI model, if there shall be one; a wrong one ends the service before it listens."""
    if not settings.nli_model:
        return None
    from services.filter.nli import load  # noqa: PLC0415  (a filter without it needs no tokenizers)

    model = load(
        settings.nli_model,
        settings.nli_runtime,
        settings.nli_entailment_index,
        settings.nli_pass_tokens,
        settings.nli_threads,
    )
    log.info("NLI model loaded", extra={"model": settings.nli_model})
    return model


async def _work(
    settings: FilterSettings,
    backends: Backends,
    costs: Costs,
    server: Server,
    critic: AsyncGeneratorClient,
    masked: AsyncGeneratorClient | None,
) -> None:
    await asyncio.gather(_until_loaded(critic), _until_indexed(backends.index))
    if masked is not None:
        check_infills(await _until_loaded(masked))
    if not settings.queue:
        await server.ready()
        await asyncio.Event().wait()
    client = await streams.connect(settings.nats_url, "filter")
    try:
        await server.ready()
        js = client.jetstream()
        publisher = Publisher(js)
        await Worker(
            js,
            stream=CANDIDATES,
            consumer=FILTERS,
            handle=CandidateHandler(backends, publisher, costs),
            dead=DeadLetterBox(publisher),
            slots=settings.slots,
            ack_wait=settings.ack_wait,
        ).run()
    finally:
        await client.close()


async def _until_loaded(critic: AsyncGeneratorClient) -> ModelDescription:
    """What the critic's model is, once it has one."""
    while True:
        try:
            description = await critic.describe()
            if description.pointer.digest:
                return description
            log.info("waiting for the critic's model")
        except StillhouseError as error:
            log.info("waiting for the critic: %s", error)
        await asyncio.sleep(_AGAIN)


async def _until_indexed(index: CorpusIndex) -> None:
    """Return once every index that is asked has answered."""
    while True:
        try:
            await index.match(["a"])
            return
        except StillhouseError as error:
            log.info("waiting for the index: %s", error)
        await asyncio.sleep(_AGAIN)


if __name__ == "__main__":
    run(FilterSettings, main)
