"""What a front makes of a shard's refusal."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from services.index.engine import Stop
from services.index.limits import TooLarge, check, check_answer
from services.index.rpc_calls import answering
from services.index.shards.calls import Shard, ask_all
from stillhouse.errors import InvalidArgument, StillhouseError, Unavailable
from stillhouse.index.v1 import index_pb2 as pb
from stillhouse.index.v1 import index_pb2_grpc
from stillhouse.transport import open_channel
from tests.support.serving import served


class Refusing(index_pb2_grpc.IndexServiceServicer):
    """Raises one error."""

    error: StillhouseError

    async def CountBatch(self, _request: Any, _context: Any) -> pb.CountBatchResponse:
        raise self.error


@pytest.fixture
def refusing() -> Refusing:
    return Refusing()  # type: ignore[abstract]


@pytest.fixture
async def target(refusing: Refusing) -> AsyncIterator[str]:
    def add(server: grpc.aio.Server) -> None:
        index_pb2_grpc.add_IndexServiceServicer_to_server(refusing, server)

    async with served("stillhouse.index.v1.IndexService", add) as one:
        yield one


def ask(target: str) -> None:
    with open_channel(target, pinned=True) as channel:
        stub = index_pb2_grpc.IndexServiceStub(channel)
        shard = Shard("one", "part@0", stub, (), 1, 1, 0, 0)
        ask_all([shard], "CountBatch", pb.CountBatchRequest(), Stop(10.0))


def refusal(made: Any, *arguments: Any) -> InvalidArgument:
    with pytest.raises(InvalidArgument) as caught:
        made(*arguments)
    return caught.value


async def test_an_answer_that_is_too_large_is_the_callers_to_mend(
    refusing: Refusing, target: str
) -> None:
    refusing.error = refusal(check_answer, "sequences", 2, 1)
    with pytest.raises(TooLarge) as caught:
        await asyncio.to_thread(ask, target)
    with pytest.raises(InvalidArgument) as named, answering("queries"):
        raise caught.value
    assert type(named.value) is InvalidArgument
    assert (named.value.field, named.value.reason) == ("queries", refusing.error.reason)


async def test_a_shard_that_refuses_anything_else_does_not_fit_its_front(
    refusing: Refusing, target: str
) -> None:
    refusing.error = refusal(check, "sequences", 2, 1, "entries")
    with pytest.raises(Unavailable, match="shard one: sequences: has 2 entries"):
        await asyncio.to_thread(ask, target)
