"""Growing contexts, held by the server: what follows them after each step."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from queue import SimpleQueue
from typing import Any

from stillhouse.errors import Unavailable
from stillhouse.index import answers, convert
from stillhouse.index.convert import Query
from stillhouse.index.types import Distribution
from stillhouse.index.v1 import index_pb2 as pb

_Requests = Iterator[pb.DecodeSessionRequest]


class _Steps:
    """The messages of a session; the first names the index."""

    def __init__(self, index: str, top: int, min_suffix: int) -> None:
        self._name = index
        self._top = top
        self._min_suffix = min_suffix

    def next(self, append: Query, reset: bool, row: int) -> pb.DecodeSessionRequest:
        asked = convert.query_to_proto(append, "append")
        name, self._name = self._name, ""
        return pb.DecodeSessionRequest(
            index=name, append=asked, reset=reset, top=self._top, row=row,
            min_suffix=self._min_suffix,
        )  # fmt: skip


class Session:
    """One DecodeSession stream; `IndexClient.session` makes it, `close` ends it.

    It follows one context for each `row`. Several are asked side by side by `send` for each,
    and then `receive` for each in the same order.
    """

    def __init__(
        self,
        open_stream: Callable[[_Requests], Iterator[Any]],
        index: str,
        top: int,
        min_suffix: int,
    ) -> None:
        self._steps = _Steps(index, top, min_suffix)
        self._requests: SimpleQueue[pb.DecodeSessionRequest | None] = SimpleQueue()
        self._answers = open_stream(iter(self._requests.get, None))

    def send(self, append: Query, *, reset: bool = False, row: int = 0) -> None:
        """Put tokens behind the context of a row; with `reset` they are all of it."""
        self._requests.put(self._steps.next(append, reset, row))

    def receive(self) -> Distribution:
        """What follows the longest suffix that occurs, after the next message that was sent."""
        found = next(self._answers, None)
        if found is None:
            raise Unavailable("the index ended the session")
        return answers.distribution_from_proto(found.result)

    def extend(self, append: Query, *, reset: bool = False, row: int = 0) -> Distribution:
        """`send` and `receive`."""
        self.send(append, reset=reset, row=row)
        return self.receive()

    def close(self) -> None:
        """End the stream."""
        self._requests.put(None)

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncSession:
    """`Session` for asyncio."""

    def __init__(
        self,
        open_stream: Callable[[AsyncIterator[pb.DecodeSessionRequest]], AsyncIterator[Any]],
        index: str,
        top: int,
        min_suffix: int,
    ) -> None:
        self._steps = _Steps(index, top, min_suffix)
        self._requests: asyncio.Queue[pb.DecodeSessionRequest | None] = asyncio.Queue()
        self._answers = open_stream(self._sent())

    async def _sent(self) -> AsyncIterator[pb.DecodeSessionRequest]:
        while (request := await self._requests.get()) is not None:
            yield request

    def send(self, append: Query, *, reset: bool = False, row: int = 0) -> None:
        """As `Session.send`."""
        self._requests.put_nowait(self._steps.next(append, reset, row))

    async def receive(self) -> Distribution:
        """As `Session.receive`."""
        found = await anext(self._answers, None)
        if found is None:
            raise Unavailable("the index ended the session")
        return answers.distribution_from_proto(found.result)

    async def extend(self, append: Query, *, reset: bool = False, row: int = 0) -> Distribution:
        """`send` and `receive`."""
        self.send(append, reset=reset, row=row)
        return await self.receive()

    def close(self) -> None:
        """End the stream."""
        self._requests.put_nowait(None)
