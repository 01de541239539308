"""How long a server worked on calls, without network and waiting.

    with work_time() as spent:
        await index.count("the still")
    print(spent.milliseconds)

Servers tell it only when they are asked, so calls outside of `work_time` carry nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

ASK = ("stillhouse-timing", "on")
ANSWER = "stillhouse-work-ms"


@dataclass(slots=True)
class WorkTime:
    """The sum over the unary calls inside a block of `work_time`."""

    milliseconds: float = 0.0

    def add(self, metadata: Iterable[tuple[str, str | bytes]] | None) -> None:
        """Read a call's trailing metadata; a server that tells no time adds none."""
        for key, value in metadata or ():
            if key == ANSWER:
                self.milliseconds += float(value)


_SPENT: ContextVar[WorkTime | None] = ContextVar("stillhouse_work_time", default=None)


@contextmanager
def work_time() -> Iterator[WorkTime]:
    """Sum up the work on the calls of a block, tasks that it starts included."""
    spent = WorkTime()
    token = _SPENT.set(spent)
    try:
        yield spent
    finally:
        _SPENT.reset(token)


def timed(method: Any) -> Callable[..., Any]:
    """A unary method that asks for the time of its work inside `work_time`."""
    spent = _SPENT.get()
    if spent is None:
        return method  # type: ignore[no-any-return]

    def call(request: Any, *, metadata: Any = None, **options: Any) -> Any:
        answer, done = method.with_call(request, metadata=(*(metadata or ()), ASK), **options)
        spent.add(done.trailing_metadata())
        return answer

    return call


def timed_async(method: Any) -> Callable[..., Any]:
    """`timed` for asyncio."""
    spent = _SPENT.get()
    if spent is None:
        return method  # type: ignore[no-any-return]

    async def call(request: Any, *, metadata: Any = None, **options: Any) -> Any:
        done = method(request, metadata=(*(metadata or ()), ASK), **options)
        answer = await done
        spent.add(await done.trailing_metadata())
        return answer

    return call
