"""What a service raises is what its caller catches."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import grpc
import pytest

from stillhouse import errors
from stillhouse.index.client import AsyncIndexClient, IndexClient
from stillhouse.index.v1 import index_pb2, index_pb2_grpc
from stillhouse.trainer.client import AsyncTrainerClient
from stillhouse.trainer.v1 import trainer_pb2, trainer_pb2_grpc
from stillhouse.transport import from_rpc_error, open_channel
from tests.support.serving import served

RAISED = [
    errors.InvalidArgument("queries[2].text", "is too long: 9, the limit is 8"),
    errors.NotFound("no index 'x'"),
    errors.FailedPrecondition("no tokenizer"),
    errors.ResourceExhausted("a run is active", retry_after=2.5),
    errors.Unavailable("loading"),
    errors.DeadlineExceeded("too slow"),
    errors.Cancelled("given up"),
    errors.Unimplemented("the server can't score"),
]


class Moody(index_pb2_grpc.IndexServiceServicer, trainer_pb2_grpc.TrainerServiceServicer):
    """Raises `mood` for as many calls as `times` says, then answers."""

    def __init__(self) -> None:
        self.mood: Exception = RuntimeError("no mood")
        self.times = 1000
        self.calls = 0
        self.holds = False

    async def Count(self, _request: Any, _context: Any) -> index_pb2.CountResponse:
        if self.holds:
            self.calls += 1
            await asyncio.Event().wait()
        self._meet()
        return index_pb2.CountResponse(count=7)

    async def CreateRun(self, _request: Any, _context: Any) -> trainer_pb2.Run:
        self._meet()
        return trainer_pb2.Run()

    async def WatchRun(self, _request: Any, _context: Any) -> AsyncIterator[trainer_pb2.Run]:
        yield trainer_pb2.Run(state=trainer_pb2.RUN_STATE_RUNNING, stage=trainer_pb2.STAGE_TRAINING)
        self._meet()

    async def ScoreText(
        self, requests: Any, _context: Any
    ) -> AsyncIterator[index_pb2.ScoreTextResponse]:
        async for _ in requests:
            self._meet()
            yield index_pb2.ScoreTextResponse()

    def _meet(self) -> None:
        self.calls += 1
        if self.calls <= self.times:
            raise self.mood


@pytest.fixture
def moody() -> Moody:
    return Moody()  # type: ignore[abstract]


@pytest.fixture
async def target(moody: Moody) -> AsyncIterator[str]:
    def add(server: grpc.aio.Server) -> None:
        index_pb2_grpc.add_IndexServiceServicer_to_server(moody, server)
        trainer_pb2_grpc.add_TrainerServiceServicer_to_server(moody, server)

    async with served("stillhouse.index.v1.IndexService", add) as one:
        yield one


@pytest.mark.parametrize("raised", RAISED, ids=lambda error: type(error).__name__)
async def test_the_error_comes_through_whole(
    moody: Moody, target: str, raised: errors.StillhouseError
) -> None:
    moody.mood = raised
    for caught in (await catch_async(target), await asyncio.to_thread(catch, target)):
        assert (type(caught), str(caught), vars(caught)) == (
            type(raised),
            str(raised),
            vars(raised),
        )


async def catch_async(target: str) -> errors.StillhouseError:
    async with AsyncIndexClient(target) as client:
        with pytest.raises(errors.StillhouseError) as caught:
            await client.count("a")
    return caught.value


def catch(target: str) -> errors.StillhouseError:
    with IndexClient(target) as client, pytest.raises(errors.StillhouseError) as caught:
        client.count("a")
    return caught.value


async def test_a_defect_of_the_service_is_internal_and_says_nothing_of_its_insides(
    moody: Moody, target: str
) -> None:
    moody.mood = RuntimeError("secret")
    caught = await catch_async(target)
    assert type(caught) is errors.Internal
    assert "secret" not in str(caught)


REPEATED = (errors.Unavailable("just now"), errors.Cancelled("dropped, since it is stopping"))


@pytest.mark.parametrize("raised", REPEATED, ids=lambda error: type(error).__name__)
async def test_what_may_not_have_begun_is_tried_again(
    moody: Moody, target: str, raised: errors.StillhouseError
) -> None:
    moody.mood, moody.times = raised, 2
    async with AsyncIndexClient(target) as client:
        assert (await client.count("a")).count == 7
    assert moody.calls == 3


@pytest.mark.parametrize("raised", [one for one in RAISED if type(one) not in map(type, REPEATED)])
async def test_nothing_else_is_tried_again(
    moody: Moody, target: str, raised: errors.StillhouseError
) -> None:
    moody.mood = raised
    await catch_async(target)
    assert moody.calls == 1


async def test_a_pinned_channel_asks_others_where_the_content_is_another(
    moody: Moody, target: str
) -> None:
    """However often: a rollout does not use up the repetitions."""
    moody.mood = errors.FailedPrecondition("another digest")

    def ask() -> None:
        with open_channel(target, pinned=True) as channel:
            stub = index_pb2_grpc.IndexServiceStub(channel)
            for _ in range(25):
                moody.times = moody.calls + 1
                assert stub.Count(index_pb2.CountRequest()).count == 7

    await asyncio.to_thread(ask)


async def test_what_its_caller_cancels_is_not_repeated(moody: Moody, target: str) -> None:
    moody.holds = True
    async with AsyncIndexClient(target) as client:
        call = asyncio.ensure_future(client.count("a"))
        while not moody.calls:
            await asyncio.sleep(0.01)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await asyncio.sleep(0.3)  # longer than the pause before a repetition
    assert moody.calls == 1


async def test_a_run_is_not_created_twice(moody: Moody, target: str) -> None:
    moody.mood = errors.Unavailable("just now")
    async with AsyncTrainerClient(target) as client:
        with pytest.raises(errors.Unavailable):
            await client.create_run("name: run")
    assert moody.calls == 1


async def test_a_stream_gives_what_came_before_its_error(moody: Moody, target: str) -> None:
    moody.mood = errors.NotFound("gone")
    async with AsyncTrainerClient(target) as client:
        stream = client.watch_run("r")
        assert (await anext(stream)).stage == "training"
        with pytest.raises(errors.NotFound, match="gone"):
            await anext(stream)


async def test_it_ends_by_the_servers_error_while_requests_are_under_way(
    moody: Moody, target: str
) -> None:
    moody.mood = errors.NotFound("gone")

    async def many() -> AsyncIterator[str]:
        for _ in range(64):
            yield "a"

    async with AsyncIndexClient(target) as client:
        for _ in range(20):  # how the ends meet is a matter of luck
            with pytest.raises(errors.NotFound, match="gone"):
                _ = [one async for one in client.score_text(many())]
    with IndexClient(target) as blocking, pytest.raises(errors.NotFound, match="gone"):
        await asyncio.to_thread(lambda: list(blocking.score_text(["a"] * 64)))


@pytest.mark.parametrize(
    "bad", [ZeroDivisionError("mine"), errors.InvalidArgument("query", "must be text or ...")]
)
async def test_what_making_a_request_raises_comes_through(
    moody: Moody, target: str, bad: Exception
) -> None:
    moody.times = 0

    def texts() -> Iterator[str]:
        yield "a"
        raise bad

    async def async_texts() -> AsyncIterator[str]:
        for one in texts():
            yield one

    async with AsyncIndexClient(target) as client:
        with pytest.raises(type(bad)) as caught:
            _ = [one async for one in client.score_text(async_texts())]
    assert caught.value is bad
    with IndexClient(target) as blocking, pytest.raises(type(bad)) as caught:
        await asyncio.to_thread(lambda: list(blocking.score_text(texts())))
    assert caught.value is bad


async def test_a_cancelled_reader_of_a_stream_is_cancelled(moody: Moody, target: str) -> None:
    moody.times = 0
    answered = asyncio.Event()

    async def texts() -> AsyncIterator[str]:
        yield "a"
        await asyncio.Event().wait()

    async def read(client: AsyncIndexClient) -> None:
        async for _ in client.score_text(texts()):
            answered.set()

    async with AsyncIndexClient(target) as client:
        reading = asyncio.create_task(read(client))
        await answered.wait()
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading


async def test_another_service_at_the_target() -> None:
    async with (
        served("stillhouse.index.v1.IndexService", lambda _: None) as target,
        AsyncIndexClient(target) as client,
    ):
        with pytest.raises(errors.Unimplemented):
            await client.tokenize("a")


def test_a_call_that_a_stopping_server_drops_may_be_tried_again() -> None:
    def status(details: str) -> grpc.aio.AioRpcError:
        nothing = grpc.aio.Metadata()
        return grpc.aio.AioRpcError(grpc.StatusCode.CANCELLED, nothing, nothing, details)

    assert type(from_rpc_error(status("CANCELLED"))) is errors.Unavailable
    assert type(from_rpc_error(status("Channel closed!"))) is errors.Cancelled


def test_nobody_at_the_target() -> None:
    with IndexClient("127.0.0.1:1") as client, pytest.raises(errors.Unavailable):
        client.count("a")


def test_an_empty_target_is_refused() -> None:
    with pytest.raises(errors.InvalidArgument, match="HOST:PORT"):
        IndexClient(" ")
