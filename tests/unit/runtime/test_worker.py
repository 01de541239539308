"""A worker that is told to stop, by a broker's client that forgets it."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import nats.errors
import pytest
from nats.aio.msg import Msg
from nats.js import JetStreamContext

from services.runtime.worker import Worker


class Forgetful:
    """Fetches as nats-py does before Python 3.12: a cancellation that comes together with the
    end of the waiting is lost.
    """

    def __init__(self) -> None:
        self.asked = 0

    async def pull_subscribe_bind(self, **_: Any) -> Forgetful:
        return self

    async def fetch(self, _batch: int, timeout: float) -> list[Msg]:
        self.asked += 1
        try:
            await asyncio.sleep(timeout)
        except asyncio.CancelledError:
            raise nats.errors.TimeoutError from None
        raise nats.errors.TimeoutError


async def test_a_cancellation_that_is_lost_stops_it_all_the_same() -> None:
    broker = Forgetful()

    async def never(*_: object) -> None:
        raise AssertionError("there is no message")

    worker = Worker(
        cast(JetStreamContext, broker), stream="S", consumer="c", handle=never, dead=never
    )
    running = asyncio.create_task(worker.run())
    while not broker.asked:
        await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(running, 5)
    assert broker.asked == 1
