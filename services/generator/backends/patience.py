"""Asking a server again when it is away or busy: a few times, each after a longer wait."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from stillhouse.errors import ResourceExhausted, StillhouseError, Unavailable

log = logging.getLogger(__name__)

_T = TypeVar("_T")

_FIRST_WAIT, _LONGEST_WAIT = 0.25, 30.0


class Refused(Exception):
    """The server said what is wrong with a request; no repetition makes it better."""


class Transient(Exception):
    """A failure that may be over at the next attempt.

    `busy`: the server is there and has too much to do; it may say for how long, in seconds.
    """

    def __init__(self, message: str, *, busy: bool = False, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self._busy = busy
        self.retry_after = retry_after

    def lasting(self) -> StillhouseError:
        """What the caller is told when it is not over."""
        if self._busy:
            return ResourceExhausted(str(self), retry_after=self.retry_after or 1.0)
        return Unavailable(str(self))


class Patience:
    """At most `connections` requests at a time, each made up to `attempts` times.

    A caller that gives up, as by its deadline, ends a wait at once.
    """

    def __init__(
        self,
        attempts: int,
        connections: int,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._attempts = attempts
        self._free = asyncio.Semaphore(connections)
        self._sleep = sleep

    async def ask(self, request: Callable[[], Awaitable[_T]]) -> _T:
        """The answer; after the last `Transient` failure Unavailable or ResourceExhausted."""
        async with self._free:
            wait = _FIRST_WAIT
            for left in reversed(range(self._attempts)):
                try:
                    return await request()
                except Transient as error:
                    if not left or error.retry_after > _LONGEST_WAIT:
                        raise error.lasting() from None
                    log.warning("asking again: %s", error)
                    pause = max(error.retry_after, wait * random.uniform(0.5, 1.0))
                await self._sleep(pause)
                wait = min(2 * wait, _LONGEST_WAIT)
        raise AssertionError("the last attempt returns or raises")
