"""The gRPC server of a service: health, reflection, errors, draining.

Two health services are kept: "" and each service's own name answer SERVING once the
service is ready; "liveness" answers SERVING as long as the process runs. A second address
can answer them alone, in plain text, for probes that know neither certificates nor calls.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import TypeVar

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from services.runtime import door, logs, metrics, otel
from services.runtime.admission import Admission
from services.runtime.authentication import TokenInterceptor
from services.runtime.call_metrics import CallMetrics
from services.runtime.call_traces import CallTraces
from services.runtime.errors import ErrorInterceptor
from services.runtime.settings import ServiceSettings
from stillhouse.errors import InvalidArgument, StillhouseError

log = logging.getLogger(__name__)

_S = TypeVar("_S", bound=ServiceSettings)

MAX_MESSAGE_BYTES = 16 * 1024 * 1024

OPTIONS = (
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.max_connection_age_ms", 300_000),
    ("grpc.max_connection_age_grace_ms", 600_000),
)

_Status = health_pb2.HealthCheckResponse


class Server:
    """A gRPC server that knows whether it is ready and how to stop."""

    def __init__(self, settings: ServiceSettings, services: tuple[str, ...]) -> None:
        tokens = door.tokens(settings)
        guard = ErrorInterceptor(admission=Admission(settings.admission))
        self._credentials = door.credentials(settings)
        self.grpc = grpc.aio.server(
            interceptors=[
                *([TokenInterceptor(tokens)] if tokens else []),
                CallMetrics(),
                CallTraces(),
                guard,
            ],
            options=(*OPTIONS, ("grpc.so_reuseport", int(settings.share_port))),
        )
        self._settings = settings
        self._health = health.aio.HealthServicer()
        self._names = ("", *services)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self.grpc)
        self._probed: grpc.aio.Server | None = None
        reflection.enable_server_reflection(
            (*services, health.SERVICE_NAME, reflection.SERVICE_NAME), self.grpc
        )

    async def start(self) -> int:
        """Bind and answer; health is NOT_SERVING until `ready`. Returns the port."""
        port = _listening("STILLHOUSE_LISTEN", self._settings.listen, self._bind)
        await self._set(_Status.NOT_SERVING)
        await self._health.set("liveness", _Status.SERVING)
        if self._settings.health_listen:
            await self._start_probed(self._settings.health_listen)
        await self.grpc.start()
        log.info("listening", extra={"port": port})
        return port

    def _bind(self, address: str) -> int:
        if self._credentials is None:
            return self.grpc.add_insecure_port(address)
        return self.grpc.add_secure_port(address, self._credentials)

    async def _start_probed(self, address: str) -> None:
        self._probed = grpc.aio.server(
            options=(*OPTIONS, ("grpc.so_reuseport", int(self._settings.share_port)))
        )
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._probed)
        _listening("STILLHOUSE_HEALTH_LISTEN", address, self._probed.add_insecure_port)
        await self._probed.start()

    async def ready(self) -> None:
        """Answer SERVING from now on."""
        # What is loaded by now stays; the collector needn't look at it again and again.
        gc.collect()
        gc.freeze()
        await self._set(_Status.SERVING)
        metrics.READY.set(1)

    async def report(self, name: str, ready: bool) -> None:
        """Answer for a part of the service under a health name of its own."""
        await self._health.set(name, _Status.SERVING if ready else _Status.NOT_SERVING)

    async def drain(self) -> None:
        """Answer NOT_SERVING, refuse new calls, let those under way finish."""
        metrics.READY.set(0)
        await self._set(_Status.NOT_SERVING)
        await self.grpc.stop(self._settings.drain_seconds)
        if self._probed is not None:  # last: a probe shall hear NOT_SERVING, not silence
            await self._probed.stop(0)

    async def _set(self, status: int) -> None:
        for name in self._names:
            await self._health.set(name, status)


def _listening(variable: str, address: str, bind: Callable[[str], int]) -> int:
    """The port that `bind` got at `address`, which `variable` gave."""
    try:
        _check_port(address)
        return bind(address)
    except RuntimeError:
        raise InvalidArgument(
            variable,
            f"cannot listen on {address}: the port is in use or the address "
            "is not this machine's; choose another, or port 0 for a free one",
        ) from None


def _check_port(address: str) -> None:
    """gRPC would take a port that is too large modulo 65536."""
    port = address.rpartition(":")[2]
    if port.isdecimal() and (len(port) > 5 or int(port) > 65535):
        raise RuntimeError("no such port")


@contextlib.asynccontextmanager
async def serving(server: Server) -> AsyncIterator[None]:
    """Run `server` around a block; drain it when the block ends."""
    await server.start()
    try:
        yield
    finally:
        await server.drain()


async def until_stopped(*tasks: Awaitable[None]) -> None:
    """Run `tasks` until SIGTERM or SIGINT, then cancel them and return.

    A task that raises ends all of them and the error is raised here.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    running = [asyncio.ensure_future(task) for task in tasks]
    stopped = asyncio.ensure_future(stop.wait())
    done, _ = await asyncio.wait([stopped, *running], return_when=asyncio.FIRST_COMPLETED)
    log.info("stopping")
    for task in (stopped, *running):
        task.cancel()
    await asyncio.gather(stopped, *running, return_exceptions=True)
    for task in done - {stopped}:
        task.result()


@contextlib.contextmanager
def configured(settings_type: type[_S]) -> Iterator[_S]:
    """The settings, with logs configured; errors end the process in one line."""
    try:
        settings = settings_type.from_environment()
        logs.configure(settings.log_level, settings.log_format)
        yield settings
    except StillhouseError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None


def run(settings_type: type[_S], main: Callable[[_S], Awaitable[None]]) -> None:
    """Entry point of a service: settings, logs, metrics, traces, `main`."""
    name = settings_type.__name__.removesuffix("Settings").lower()
    with (
        configured(settings_type) as settings,
        metrics.exposed(settings.metrics_listen),
        otel.exported(settings.otlp_endpoint, f"stillhouse-{name}"),
    ):
        asyncio.run(_as_coroutine(main(settings)))


async def _as_coroutine(awaitable: Awaitable[None]) -> None:
    await awaitable
