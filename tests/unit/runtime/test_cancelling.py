from __future__ import annotations

import asyncio
import contextlib
import threading

import pytest

from services.runtime.cancelling import raise_if_cancelled, to_the_end


async def test_a_cancelled_call_is_waited_for() -> None:
    started, may_end, ended = threading.Event(), threading.Event(), threading.Event()

    def call() -> None:
        started.set()
        may_end.wait(10)
        ended.set()

    task = asyncio.create_task(to_the_end(call))
    await asyncio.to_thread(started.wait, 10)
    task.cancel()
    await asyncio.sleep(0)
    assert not task.done()
    may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.is_set()


async def test_results_and_errors_come_through() -> None:
    assert await to_the_end(divmod, 7, 3) == (2, 1)
    with pytest.raises(ZeroDivisionError):
        await to_the_end(divmod, 7, 0)


async def test_a_cancellation_that_got_lost_is_found_again() -> None:
    async def forgetful() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(10)
        raise_if_cancelled()

    raise_if_cancelled()
    task = asyncio.create_task(forgetful())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
