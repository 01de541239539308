from __future__ import annotations

import asyncio

import pytest

from services.generator.backends.patience import Patience, Refused, Transient
from stillhouse.errors import ResourceExhausted, Unavailable


class Clock:
    """Writes waits down in place of waiting."""

    def __init__(self) -> None:
        self.waits: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)


async def test_waits_grow_until_the_answer_comes() -> None:
    clock = Clock()
    answers: list[Exception | str] = [*([Transient("away")] * 4), "here"]

    async def request() -> str:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert await Patience(5, 1, clock.sleep).ask(request) == "here"
    for number, wait in enumerate(clock.waits):
        assert 0.125 * 2**number <= wait <= 0.25 * 2**number
    assert len(clock.waits) == 4


async def test_a_server_is_believed_how_long_it_is_busy() -> None:
    clock = Clock()

    async def request() -> None:
        raise Transient("busy", busy=True, retry_after=7.0)

    with pytest.raises(ResourceExhausted, match="busy") as caught:
        await Patience(3, 1, clock.sleep).ask(request)
    assert clock.waits == [7.0, 7.0]
    assert caught.value.retry_after == 7.0

    async def for_long() -> None:
        raise Transient("busy", busy=True, retry_after=3600.0)

    clock.waits.clear()
    with pytest.raises(ResourceExhausted):
        await Patience(3, 1, clock.sleep).ask(for_long)
    assert not clock.waits


async def test_what_is_refused_is_asked_once() -> None:
    clock = Clock()
    asked = 0

    async def request() -> None:
        nonlocal asked
        asked += 1
        raise Refused("no")

    with pytest.raises(Refused):
        await Patience(5, 1, clock.sleep).ask(request)
    assert asked == 1


async def test_at_the_end_it_is_unavailable() -> None:
    async def request() -> None:
        raise Transient("away")

    with pytest.raises(Unavailable, match="away"):
        await Patience(1, 1, Clock().sleep).ask(request)


async def test_no_more_requests_at_a_time_than_connections() -> None:
    patience = Patience(1, 3)
    under_way = most = 0

    async def request() -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0)
        under_way -= 1

    await asyncio.gather(*(patience.ask(request) for _ in range(20)))
    assert most == 3
