"""What gRPC hides of a call that sends a stream: what its source raised, and how it ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Coroutine, Iterable, Iterator
from typing import Any, Self, TypeVar

import grpc

_T = TypeVar("_T")


class Kept(Iterator[_T]):
    """An iterator that keeps what it `raised`: gRPC says only that there was something."""

    def __init__(self, source: Iterable[_T]) -> None:
        self._source = iter(source)
        self.raised: Exception | None = None

    def __next__(self) -> _T:
        try:
            return next(self._source)
        except StopIteration:
            raise
        except Exception as error:
            self.raised = error
            raise


class AsyncKept(AsyncIterator[_T]):
    """`Kept` for asyncio, where gRPC cancels the call and says nothing."""

    def __init__(self, source: AsyncIterable[_T]) -> None:
        self._source = aiter(source)
        self.raised: Exception | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> _T:
        try:
            return await anext(self._source)
        except StopAsyncIteration:
            raise
        except Exception as error:
            self.raised = error
            raise


class Ending:
    """The status that the server ended a call with.

    grpc.aio writes INTERNAL over it where a message was still on its way (grpc/grpc#36066).
    """

    def __init__(self, call: Any) -> None:
        self._error: grpc.aio.AioRpcError | None = None
        self._ok = False
        call.add_done_callback(self._keep)

    def _keep(self, call: Any) -> None:
        # Now, not in a task: the status may be another when a task runs.
        code = _at_once(call.code())
        self._ok = code is grpc.StatusCode.OK
        self._error = grpc.aio.AioRpcError(
            code,
            _at_once(call.initial_metadata()),
            _at_once(call.trailing_metadata()),
            _at_once(call.details()),
            _at_once(call.debug_error_string()),
        )

    def error(self, raised: grpc.RpcError) -> grpc.RpcError | None:
        """What to raise in place of what gRPC raised; nothing where all went well."""
        return None if self._ok else self._error or raised


def cancelled_from_outside() -> bool:
    """Whether someone asked the running task to stop."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _at_once(answer: Coroutine[Any, Any, _T]) -> _T:
    """What a coroutine gives that has nothing to wait for."""
    try:
        answer.send(None)
    except StopIteration as done:
        value: _T = done.value
        return value
    answer.close()
    raise RuntimeError("a call that has ended made its status wait")
