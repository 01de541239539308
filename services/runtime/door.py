"""Who may call a server, and whether others can listen: certificates and tokens of the settings."""

from __future__ import annotations

import grpc

from services.runtime.settings import ServiceSettings
from stillhouse.errors import InvalidArgument
from stillhouse.security import is_local, read_authority, read_pair

_CERTIFICATE, _KEY = "STILLHOUSE_TLS_CERTIFICATE", "STILLHOUSE_TLS_KEY"
_CLIENT_CA, _TOKENS_FILE = "STILLHOUSE_TLS_CLIENT_CA", "STILLHOUSE_TOKENS_FILE"


def credentials(settings: ServiceSettings) -> grpc.ServerCredentials | None:
    """The server's certificate and whose callers it takes; None for plain text.

    Raises InvalidArgument naming a variable that is missing or a file that is wrong.
    """
    if settings.tls_certificate is None or settings.tls_key is None:
        given = {
            _CERTIFICATE: settings.tls_certificate,
            _KEY: settings.tls_key,
            _CLIENT_CA: settings.tls_client_ca,
        }
        if any(given.values()):
            missing = _KEY if settings.tls_certificate else _CERTIFICATE
            raise InvalidArgument(missing, "is missing; TLS needs the certificate and its key")
        return None
    pair = read_pair(_CERTIFICATE, settings.tls_certificate, _KEY, settings.tls_key)
    if settings.tls_client_ca is None:
        return grpc.ssl_server_credentials([pair])
    authority = read_authority(_CLIENT_CA, settings.tls_client_ca)
    return grpc.ssl_server_credentials([pair], authority, require_client_auth=True)


def tokens(settings: ServiceSettings) -> frozenset[str]:
    """The tokens of which a call must show one; none means that no call has to.

    Raises InvalidArgument for a file that can't be read or is empty, and where the tokens
    would travel in plain text.
    """
    found = settings.tokens
    if settings.tokens_file is not None:
        found |= _read(settings)
    if found and settings.tls_certificate is None and not is_local(settings.listen):
        raise InvalidArgument(
            "STILLHOUSE_TOKENS",
            f"would travel in plain text; set {_CERTIFICATE} and {_KEY}, or listen on loopback",
        )
    return found


def _read(settings: ServiceSettings) -> frozenset[str]:
    path = settings.tokens_file
    assert path is not None
    try:
        lines = path.read_text(encoding="ascii").split()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise InvalidArgument(_TOKENS_FILE, f"cannot read {path}: {reason}") from None
    except UnicodeDecodeError:
        raise InvalidArgument(_TOKENS_FILE, f"{path} holds more than ASCII") from None
    if not lines:
        # An empty file must not open the door to everybody.
        raise InvalidArgument(_TOKENS_FILE, f"{path} is empty; write a token a line")
    return frozenset(lines)
