"""How many calls of a method may be under way at once.

What is over the limit is refused at once rather than queued, so that a caller can turn
to another replica. Health checks and reflection are always answered.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from stillhouse.errors import ResourceExhausted

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


class Admission:
    """Counts calls under way by method; each has the limit of its name, or that of `*`."""

    def __init__(self, limits: Mapping[str, int], retry_after: float = 0.1) -> None:
        self._limits = limits
        self._retry_after = retry_after
        self._under_way: Counter[str] = Counter()

    def limit(self, method: str) -> int | None:
        """The limit of a method by its full name; None for none."""
        if method.startswith(_EXEMPT):
            return None
        return self._limits.get(method.rpartition("/")[2], self._limits.get(ANY))

    @contextmanager
    def admitted(self, method: str) -> Iterator[None]:
        """Hold a place around a call, or ResourceExhausted at once."""
        limit = self.limit(method)
        if limit is not None and self._under_way[method] >= limit:
            raise ResourceExhausted(
                f"{limit} calls of {method} are under way, which is the limit", self._retry_after
            )
        self._under_way[method] += 1
        try:
            yield
        finally:
            self._under_way[method] -= 1
