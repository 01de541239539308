"""How many calls of a method may be under way at once.

What is over the limit is refused at once rather than queued, so that a caller can turn
to another replica. Health checks and reflection are always answered.
"""

from __future__ import annotations

from collections.abc import Mapping

from services.runtime.metrics import REFUSED
from stillhouse.errors import ResourceExhausted

_REFUSED = REFUSED.labels("admission")

ANY = "*"
_EXEMPT = "/grpc."


def parse(value: str) -> dict[str, int]:
    """Limits from `*=64,Method=8`; ValueError for anything else. Empty means no limits."""
    limits: dict[str, int] = {}
    for entry in filter(None, (one.strip() for one in value.split(","))):
        method, _, limit = entry.partition("=")
        if not limit.isdecimal() or int(limit) < 1 or not method:
            raise ValueError(f"{entry!r} is not METHOD=LIMIT, such as *=64")
        if method in limits:
            raise ValueError(f"names {method!r} twice")
        limits[method] = int(limit)
    return limits


class Gate:
    """Counts the calls of one method that are under way; `with gate:` around each."""

    def __init__(self, method: str, limit: int | None, retry_after: float) -> None:
        self._method = method
        self._limit = limit
        self._retry_after = retry_after
        self._under_way = 0

    def __enter__(self) -> None:
        """Take a place, or ResourceExhausted at once."""
        if self._limit is not None and self._under_way >= self._limit:
            _REFUSED.inc()
            raise ResourceExhausted(
                f"{self._limit} calls of {self._method} are under way, which is the limit",
                self._retry_after,
            )
        self._under_way += 1

    def __exit__(self, *_: object) -> None:
        """Give the place back."""
        self._under_way -= 1


class Admission:
    """Which limit each method has: that of its name, or that of `*`."""

    def __init__(self, limits: Mapping[str, int], retry_after: float = 0.1) -> None:
        self._limits = limits
        self._retry_after = retry_after

    def limit(self, method: str) -> int | None:
        """The limit of a method by its full name; None for none."""
        if method.startswith(_EXEMPT):
            return None
        return self._limits.get(method.rpartition("/")[2], self._limits.get(ANY))

    def gate(self, method: str) -> Gate:
        """What the calls of a method pass; one for all of them."""
        return Gate(method, self.limit(method), self._retry_after)
