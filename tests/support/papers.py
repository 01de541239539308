"""Certificates for tests of TLS, made on the spot."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import trustme


@dataclass(frozen=True)
class Papers:
    """PEM files: an authority, a server's pair, a caller's pair, another authority."""

    ca: Path
    certificate: Path
    key: Path
    caller: Path
    caller_key: Path
    stranger: Path


def make_papers(root: Path) -> Papers:
    """Write them to a folder; the server is `localhost`."""
    ca = trustme.CA()
    ca.cert_pem.write_to_path(str(root / "ca.pem"))
    trustme.CA().cert_pem.write_to_path(str(root / "stranger.pem"))
    for name, host in (("server", "localhost"), ("caller", "caller.example")):
        pair = ca.issue_cert(host)
        pair.private_key_pem.write_to_path(str(root / f"{name}.key"))
        for blob in pair.cert_chain_pems:
            blob.write_to_path(str(root / f"{name}.pem"), append=True)
    names = ("ca.pem", "server.pem", "server.key", "caller.pem", "caller.key", "stranger.pem")
    return Papers(*(root / name for name in names))
