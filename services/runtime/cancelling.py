"""Cancellations that leave nothing half done, and none that gets lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

_P = ParamSpec("_P")
_T = TypeVar("_T")


async def to_the_end(call: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """As asyncio.to_thread, but a cancellation takes effect only once the call has returned.

    For calls that write files: whoever resumes must not find them still at work.
    """
    working = asyncio.ensure_future(asyncio.to_thread(call, *args, **kwargs))
    try:
        return await asyncio.shield(working)
    except asyncio.CancelledError:
        await asyncio.wait([working])
        raise


def raise_if_cancelled() -> None:
    """Raise CancelledError if this task was cancelled and nobody noticed.

    Until Python 3.12 asyncio.wait_for, by which a broker is asked, forgets a cancellation
    that comes together with the answer.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
