"""A growing context, held by the server: what follows it after each step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from queue import SimpleQueue
from typing import Any

from stillhouse.errors import Unavailable
from stillhouse.index import answers, convert
from stillhouse.index.convert import Query
from stillhouse.index.types import Distribution
from stillhouse.index.v1 import index_pb2 as pb

_Requests = Iterator[pb.DecodeSessionRequest]


class Session:
    """One DecodeSession stream; `IndexClient.session` makes it, `close` ends it.

    Several sessions are asked side by side by `send` to each and then `receive` from each.
    """

    def __init__(self, open_stream: Callable[[_Requests], Iterator[Any]], index: str, top: int):
        self._name = index
        self._top = top
        self._requests: SimpleQueue[pb.DecodeSessionRequest | None] = SimpleQueue()
        self._answers = open_stream(iter(self._requests.get, None))

    def send(self, append: Query, *, reset: bool = False) -> None:
        """Put tokens behind the context; with `reset` they are all of it."""
        self._requests.put(
            pb.DecodeSessionRequest(
                index=self._name, append=convert.query_to_proto(append, "append"), reset=reset,
                top=self._top,
            )
        )  # fmt: skip
        self._name = ""  # belongs into the first message only

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
