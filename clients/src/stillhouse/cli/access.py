"""The options of every command that calls a service: how it is recognised, and what is shown."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import click

from stillhouse.security import Tls

_OPTIONS = (
    click.option("--tls", is_flag=True, help="Encrypt; the server shows a public certificate."),
    click.option("--ca", metavar="FILE", help="Encrypt; FILE is who signed the certificate."),
    click.option(
        "--server-name", metavar="NAME", default="",
        help="Encrypt; NAME is what the certificate says, where the address is another, as behind "
        "a forwarded port.",
    ),
    click.option(
        "--certificate", metavar="FILE", help="What you show, if the server asks for it."
    ),
    click.option("--key", metavar="FILE", help="The key of --certificate."),
    click.option(
        "--token", envvar="STILLHOUSE_TOKEN", default="", show_envvar=True,
        help="What you show, if the server asks for one.",
    ),
)  # fmt: skip


def access(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options; `command` gets them as `secured` (Tls, or None for plain text), `token`."""

    @functools.wraps(command)
    def called(
        *args: Any,
        tls: bool,
        ca: str | None,
        server_name: str,
        certificate: str | None,
        key: str | None,
        **given: Any,
    ) -> Any:
        encrypted = tls or ca or server_name or certificate or key
        secured = Tls(ca, certificate, key, server_name) if encrypted else None
        return command(*args, secured=secured, **given)

    for option in reversed(_OPTIONS):
        called = option(called)
    return called
