"""A growing context, held by the server: what follows it after each step."""

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

    def __init__(self, index: str, top: int) -> None:
        self._name = index
        self._top = top

    def next(self, append: Query, reset: bool) -> pb.DecodeSessionRequest:
        asked = convert.query_to_proto(append, "append")
        name, self._name = self._name, ""
        return pb.DecodeSessionRequest(index=name, append=asked, reset=reset, top=self._top)


class Session:
    """One DecodeSession stream; `IndexClient.session` makes it, `close` ends it.

    Several sessions are asked side by side by `send` to each and then `receive` from each.
    """

    def __init__(self, open_stream: Callable[[_Requests], Iterator[Any]], index: str, top: int):
        self._steps = _Steps(index, top)
        self._requests: SimpleQueue[pb.DecodeSessionRequest | None] = SimpleQueue()
        self._answers = open_stream(iter(self._requests.get, None))

    def send(self, append: Query, *, reset: bool = False) -> None:
        """Put tokens behind the context; with `reset` they are all of it."""
        self._requests.put(self._steps.next(append, reset))

    def receive(self) -> Distribution:
        """What follows the longest suffix that occurs, after the next message that was sent."""
        found = next(self._answers, None)
        if found is None:
            raise Unavailable("the index ended the session")
        return answers.distribution_from_proto(found.result)

    def extend(self, append: Query, *, reset: bool = False) -> Distribution:
        """`send` and `receive`."""
        self.send(append, reset=reset)
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
    ) -> None:
        self._steps = _Steps(index, top)
        self._requests: asyncio.Queue[pb.DecodeSessionRequest | None] = asyncio.Queue()
        self._answers = open_stream(self._sent())

    async def _sent(self) -> AsyncIterator[pb.DecodeSessionRequest]:
        while (request := await self._requests.get()) is not None:
            yield request

    def send(self, append: Query, *, reset: bool = False) -> None:
        """As `Session.send`."""
        self._requests.put_nowait(self._steps.next(append, reset))

    async def receive(self) -> Distribution:
        """As `Session.receive`."""
        found = await anext(self._answers, None)
        if found is None:
            raise Unavailable("the index ended the session")
        return answers.distribution_from_proto(found.result)

    async def extend(self, append: Query, *, reset: bool = False) -> Distribution:
        """`send` and `receive`."""
        self.send(append, reset=reset)
        return await self.receive()

    def close(self) -> None:
        """End the stream."""
        self._requests.put_nowait(None)
