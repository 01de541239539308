"""Each status code that filter.proto promises, by a real call."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import grpc
import numpy as np
import pytest
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_status import rpc_status

from services.filter.evidence import Backends
from services.filter.layers.base import CorpusMatch
from services.filter.rpc import SERVICE, FilterService
from services.runtime.server import Server
from services.runtime.settings import ServiceSettings
from stillhouse.errors import Unavailable
from stillhouse.filter.v1 import filter_pb2, filter_pb2_grpc
from stillhouse.generator.types import Score, ScoreItem

SOURCE = (
    "The reader opens the archive and returns each member as a string. "
    "Members that are encrypted raise an error before any byte is read. "
    "The archive stays open until the caller closes it."
)
GOOD = "Members of an archive come back as strings."


class Critic:
    """The document makes every character 2 nats likelier; or the critic is away."""

    def __init__(self) -> None:
        self.away = False

    async def score(self, items: Sequence[ScoreItem]) -> list[Score]:
        if self.away:
            raise Unavailable("the critic is away")
        return [self._score(item) for item in items]

    @staticmethod
    def _score(item: ScoreItem) -> Score:
        size = len(item.continuation)
        value = -3.0 if item.prefix.startswith("\n") else -1.0
        return Score(value * size, size, (value,) * size, tuple(range(1, size + 1)))


class Index:
    """An empty corpus."""

    async def match(self, texts: Sequence[str]) -> list[tuple[CorpusMatch, ...] | None]:
        return [(CorpusMatch("", np.zeros(4, dtype=np.uint32), -9.0),) for _ in texts]


@pytest.fixture
def critic() -> Critic:
    return Critic()


@pytest.fixture
async def channel(critic: Critic) -> AsyncIterator[grpc.aio.Channel]:
    server = Server(ServiceSettings(drain_seconds=0), (SERVICE,))
    service = FilterService(Backends(critic, Index()), max_candidates=3)
    filter_pb2_grpc.add_FilterServiceServicer_to_server(service, server.grpc)
    port = await server.start()
    await server.ready()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as opened:
        yield opened
    await server.drain()


@pytest.fixture
def stub(channel: grpc.aio.Channel) -> filter_pb2_grpc.FilterServiceAsyncStub:
    return filter_pb2_grpc.FilterServiceStub(channel)


def request(
    *texts: str, layers: Sequence[str] = ("brevity", "novelty", "faithfulness"), **thresholds: float
) -> filter_pb2.EvaluateRequest:
    configs = [filter_pb2.LayerConfig(name=name) for name in layers]
    configs[0].thresholds.update(thresholds)
    return filter_pb2.EvaluateRequest(
        cascade=filter_pb2.Cascade(layers=configs),
        documents=[filter_pb2.Document(id="d", text=SOURCE)],
        candidates=[
            filter_pb2.Candidate(id=f"c{i}", source_id="d", text=text, finished=True)
            for i, text in enumerate(texts)
        ],
    )


async def refusal(
    stub: filter_pb2_grpc.FilterServiceAsyncStub, given: filter_pb2.EvaluateRequest
) -> tuple[grpc.StatusCode, str]:
    """The status and the field that its BadRequest names."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.Evaluate(given)
    status = rpc_status.from_call(caught.value)
    details = error_details_pb2.BadRequest()
    if status is not None and status.details:
        status.details[0].Unpack(details)
    fields = [violation.field for violation in details.field_violations]
    return caught.value.code(), fields[0] if fields else ""


INVALID = grpc.StatusCode.INVALID_ARGUMENT


async def test_ok(stub: filter_pb2_grpc.FilterServiceAsyncStub) -> None:
    response = await stub.Evaluate(request("No.", GOOD))
    assert [verdict.candidate_id for verdict in response.verdicts] == ["c0", "c1"]
    assert [verdict.reason for verdict in response.verdicts] == ["brevity.too_short", ""]
    assert [verdict.accepted for verdict in response.verdicts] == [False, True]
    assert response.verdicts[1].scores["faithfulness.pmi"] == pytest.approx(2.0)
    counts = [(stats.name, stats.seen, stats.passed) for stats in response.layers]
    assert counts == [("brevity", 2, 1), ("novelty", 1, 1), ("faithfulness", 1, 1)]


async def test_unknown_layer(stub: filter_pb2_grpc.FilterServiceAsyncStub) -> None:
    given = request(GOOD, layers=["brevity", "bravery"])
    assert await refusal(stub, given) == (INVALID, "cascade.layers[1].name")


async def test_unknown_threshold(stub: filter_pb2_grpc.FilterServiceAsyncStub) -> None:
    given = request(GOOD, rato=0.5)
    assert await refusal(stub, given) == (INVALID, "cascade.layers[0].thresholds.rato")


async def test_candidate_without_its_document(
    stub: filter_pb2_grpc.FilterServiceAsyncStub,
) -> None:
    given = request(GOOD)
    given.candidates[0].source_id = "elsewhere"
    assert await refusal(stub, given) == (INVALID, "candidates[0].source_id")


async def test_two_candidates_of_one_id(stub: filter_pb2_grpc.FilterServiceAsyncStub) -> None:
    given = request(GOOD, GOOD)
    given.candidates[1].id = "c0"
    assert await refusal(stub, given) == (INVALID, "candidates[1].id")


async def test_batch_over_the_limit(stub: filter_pb2_grpc.FilterServiceAsyncStub) -> None:
    assert await refusal(stub, request(*[GOOD] * 4)) == (INVALID, "candidates")


async def test_unavailable(
    stub: filter_pb2_grpc.FilterServiceAsyncStub, critic: Critic
) -> None:  # fmt: skip
    critic.away = True
    code, _ = await refusal(stub, request(GOOD))
    assert code is grpc.StatusCode.UNAVAILABLE


async def test_health(channel: grpc.aio.Channel) -> None:
    stub = health_pb2_grpc.HealthStub(channel)
    for service in ("", SERVICE, "liveness"):
        answer = await stub.Check(health_pb2.HealthCheckRequest(service=service))
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
