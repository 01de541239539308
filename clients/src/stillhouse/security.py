"""TLS and tokens towards a service, and the refusal to send a token in plain text.

Files are PEM. They are read and checked when a client is made, so that a wrong one is
named there rather than by a handshake that fails.
"""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

import grpc

from stillhouse.errors import InvalidArgument

_SCHEME = re.compile(r"(?:dns:(?://[^/]*/)?|ipv[46]:)")
_TOKEN = re.compile(r"[!-~]+")


@dataclass(frozen=True, slots=True)
class Tls:
    """How a service is recognised, and how the caller shows who it is.

    ca: the authority that signed the service's certificate; None takes the public ones.
    certificate, key: the caller's own, for a service that asks for one.
    server_name: the name in the service's certificate, where it isn't that of the target.
    """

    ca: Path | str | None = None
    certificate: Path | str | None = None
    key: Path | str | None = None
    server_name: str = ""

    @property
    def options(self) -> tuple[tuple[str, str], ...]:
        """What the channel has to know besides its credentials."""
        name = self.server_name
        return (("grpc.ssl_target_name_override", name),) if name else ()

    def credentials(self) -> grpc.ChannelCredentials:
        """What gRPC wants; InvalidArgument names a file that is missing or no PEM."""
        ca = read_authority("tls.ca", self.ca) if self.ca else None
        if not (self.certificate or self.key):
            return grpc.ssl_channel_credentials(ca)
        if not self.certificate or not self.key:
            missing = "key" if self.certificate else "certificate"
            raise InvalidArgument(f"tls.{missing}", "is missing; certificate and key go together")
        key, chain = read_pair("tls.certificate", self.certificate, "tls.key", self.key)
        return grpc.ssl_channel_credentials(ca, key, chain)


def bearer(target: str, tls: Tls | None, token: str) -> tuple[tuple[str, str], ...]:
    """The metadata that carries a token, or none for "".

    Raises InvalidArgument for a token that would leave this machine in plain text.
    """
    if not token:
        return ()
    if not _TOKEN.fullmatch(token):
        raise InvalidArgument("token", "must be visible ASCII characters without spaces")
    if tls is None and not is_local(target):
        raise InvalidArgument(
            "token", f"would travel to {target} in plain text; give tls, or reach it by loopback"
        )
    return (("authorization", f"Bearer {token}"),)


def is_local(address: str) -> bool:
    """True if every address of a target, or an address to listen on, is this machine's own."""
    if address.startswith(("unix:", "unix-abstract:")):
        return True
    hosts = [
        one.rpartition(":")[0].strip("[]") for one in _SCHEME.sub("", address, count=1).split(",")
    ]
    return all(map(_is_loopback, hosts))


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def read_authority(field: str, path: Path | str) -> bytes:
    """The certificates in a file; InvalidArgument names `field` if there are none."""
    content = _read(field, path)
    try:
        ssl.create_default_context(cadata=content.decode("ascii"))
    except (ssl.SSLError, ValueError):
        raise InvalidArgument(field, f"{path} holds no certificates in PEM form") from None
    return content


def read_pair(
    certificate_field: str, certificate: Path | str, key_field: str, key: Path | str
) -> tuple[bytes, bytes]:
    """Key and certificate chain; InvalidArgument names what is missing or doesn't fit."""
    chain, secret = _read(certificate_field, certificate), _read(key_field, key)
    try:
        # Without a password an encrypted key would ask the terminal for one.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, lambda: "")
    except (ssl.SSLError, ValueError):
        raise InvalidArgument(
            certificate_field,
            f"{certificate} and {key} are no certificate with its unencrypted key in PEM form",
        ) from None
    return secret, chain


def _read(field: str, path: Path | str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise InvalidArgument(field, f"cannot read {path}: {reason}") from None
