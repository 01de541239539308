"""The status codes that each rpc of a proto promises in its comment."""

from __future__ import annotations

import re
from pathlib import Path

_RPC = re.compile(r"((?:^  //.*\n)+)  rpc (\w+)\(", re.MULTILINE)
_CODE = re.compile(r"\b(OK|INVALID_ARGUMENT|NOT_FOUND|FAILED_PRECONDITION|RESOURCE_EXHAUSTED)\b")

PROTOS = Path(__file__).parent.parent.parent / "protos" / "stillhouse"


def promised(file: str) -> set[tuple[str, str]]:
    """(rpc, code) of every promise; the codes stand behind a comment's last empty line."""
    found = set()
    for comment, rpc in _RPC.findall((PROTOS / file).read_text()):
        codes = _CODE.findall(comment.rpartition("//\n")[2])
        found |= {(rpc, code) for code in codes}
    return found
