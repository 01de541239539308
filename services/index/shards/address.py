"""Where a shard is: HOST:PORT/INDEX, or HOST:PORT where that server holds one index only."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

_FORM = re.compile(r"((?:[a-z][a-z0-9+.-]*:(?:///?)?)?[^/\s]+)(?:/([A-Za-z0-9][A-Za-z0-9._-]*))?")


@dataclass(frozen=True, slots=True)
class Address:
    """A server, by any gRPC target, and one of its indexes; "" is the only one."""

    target: str
    index: str = ""

    @classmethod
    def parse(cls, value: str) -> Self:
        """The address that a setting holds; ValueError if it holds none."""
        found = _FORM.fullmatch(value.strip())
        if found is None:
            raise ValueError(f"{value!r} is not HOST:PORT/INDEX")
        return cls(found[1], found[2] or "")

    def __str__(self) -> str:
        return f"{self.target}/{self.index}" if self.index else self.target
