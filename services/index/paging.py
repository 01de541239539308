"""Page tokens: where a listing was left, of which query, of which content."""

from __future__ import annotations

import base64
import binascii
import hashlib
import struct
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from stillhouse.errors import FailedPrecondition, InvalidArgument

_FORM = struct.Struct("<8s8sQ")  # the index's digest and the query's, shortened; hits before


def fingerprint(kind: str, clauses: Iterable[Iterable[NDArray[np.uint32]]], near: int) -> bytes:
    """Eight bytes that differ where the listed hits may."""
    state = hashlib.blake2b(f"{kind} {near}".encode(), digest_size=8)
    for clause in clauses:
        state.update(b"clause")
        for ngram in clause:
            state.update(struct.pack("<Q", len(ngram)))
            state.update(np.ascontiguousarray(ngram, "<u4").tobytes())
    return state.digest()


def write(digest: str, query: bytes, behind: int) -> str:
    """The token that goes on behind that many hits."""
    packed = _FORM.pack(bytes.fromhex(digest)[:8], query, behind)
    return base64.urlsafe_b64encode(packed).decode()


def read(token: str, digest: str, query: bytes) -> int:
    """How many hits lie before; 0 for the empty token.

    Raises InvalidArgument for a token that is none or of another query,
    FailedPrecondition for one of another content of the index.
    """
    if not token:
        return 0
    try:
        content, asked, behind = _FORM.unpack(
            base64.b64decode(token.encode(), altchars=b"-_", validate=True)
        )
    except (binascii.Error, struct.error, UnicodeEncodeError):
        raise InvalidArgument("page_token", "is none of this server's") from None
    if asked != query:
        raise InvalidArgument("page_token", "belongs to another query; begin without one")
    if content != bytes.fromhex(digest)[:8]:
        raise FailedPrecondition("page_token is of another content of the index; begin anew")
    return int(behind)
