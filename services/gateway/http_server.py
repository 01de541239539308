"""An HTTP server that logs, stops and refuses a port as the gRPC servers do."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import ssl

import uvicorn
from starlette.types import ASGIApp

from services.runtime import door
from services.runtime.settings import ServiceSettings
from stillhouse.errors import InvalidArgument

log = logging.getLogger(__name__)


async def serve(app: ASGIApp, settings: ServiceSettings) -> None:
    """Answer until SIGTERM or SIGINT; requests under way get `drain_seconds`.

    Raises InvalidArgument if it can't listen there, or for wrong files of certificates.
    """
    door.credentials(settings)  # names the file that is wrong; uvicorn would not
    with bound(settings.listen) as listener:
        log.info("listening", extra={"port": listener.getsockname()[1]})
        config = uvicorn.Config(
            app,
            log_config=None,
            log_level=logging.WARNING,
            access_log=False,
            lifespan="on",
            server_header=False,
            timeout_graceful_shutdown=max(1, round(settings.drain_seconds)),
            ssl_certfile=settings.tls_certificate,
            ssl_keyfile=settings.tls_key,
            ssl_ca_certs=None if settings.tls_client_ca is None else str(settings.tls_client_ca),
            ssl_cert_reqs=ssl.CERT_REQUIRED if settings.tls_client_ca else ssl.CERT_NONE,
        )
        # uvicorn raises the signal again when it has stopped: that ends in a clean exit here.
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, lambda: None)
        await uvicorn.Server(config).serve(sockets=[listener])


def bound(listen: str) -> socket.socket:
    """A listening socket; InvalidArgument if there can be none."""
    host, _, port = listen.rpartition(":")
    try:
        if not port.isdecimal() or int(port) > 65535:
            raise OSError("no such port")
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host.strip("[]"), int(port)), family=family, backlog=1024)
    except OSError:
        raise InvalidArgument(
            "STILLHOUSE_LISTEN",
            f"cannot listen on {listen}: the port is in use or the address is not this "
            "machine's; choose another, or port 0 for a free one",
        ) from None
    # Connections inherit it. Without it an answer's body waits 40 ms for the acknowledgement of
    # its head: asyncio sets it only on sockets that name their protocol, which these don't.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener
