"""One test for each status code that the index's proto promises, over a real socket."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pytest

from services.index.limits import Limits
from services.index.registry import Registry
from services.index.rpc import IndexService
from services.runtime.admission import Admission, Gate
from services.runtime.authentication import TokenInterceptor
from services.runtime.errors import ErrorInterceptor
from stillhouse.errors import (
    DeadlineExceeded,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    ResourceExhausted,
    StillhouseError,
    Unauthenticated,
    Unavailable,
)
from stillhouse.index.v1 import index_pb2 as pb
from stillhouse.index.v1.index_pb2_grpc import IndexServiceStub, add_IndexServiceServicer_to_server
from stillhouse.transport import open_channel, translated
from tests.support.promises import promised
from tests.support.service_process import started
from tests.support.small_index import make_ids_index, make_text_index

KINDS: dict[str, type[StillhouseError]] = {
    "INVALID_ARGUMENT": InvalidArgument,
    "NOT_FOUND": NotFound,
    "FAILED_PRECONDITION": FailedPrecondition,
}
THE = pb.Query(text="the")
SOME = pb.TokenIds(ids=[0])
MANY = pb.TokenIds(ids=[0] * 1_000_001)
ONE = pb.Sequences(ids=[0], lengths=[1])
RAGGED = pb.Sequences(ids=[0], lengths=[2])
NEAR = pb.Cnf(clauses=[pb.Clause(any_of=[THE])])
STREAMS = ("ScoreText", "DecodeSession")


@dataclass(frozen=True)
class Rpc:
    """A request that is answered, what makes it wrong, and the field that is named then."""

    good: dict[str, Any]
    wrong: dict[str, Any]
    names: str
    changes: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What makes it earn another code, where asking for another index doesn't."""


def _single(**more: Any) -> Rpc:
    return Rpc({"query": THE, **more}, {"query": None}, "query")


def _batch(**more: Any) -> Rpc:
    return Rpc({"queries": [THE], **more}, {"queries": [pb.Query()]}, "queries[0]")


FAR = {"max_diff_tokens": 1001}
RPCS: dict[str, Rpc] = {
    "ListIndexes": Rpc({}, {}, ""),
    "LoadIndex": Rpc(
        {"name": "new", "folder": "words"},
        {"folder": "../out"},
        "folder",
        {"NOT_FOUND": {"folder": "nowhere"}, "FAILED_PRECONDITION": {"digest": "00"}},
    ),
    "UnloadIndex": Rpc(
        {"name": "spare"},
        {"name": "no name"},
        "name",
        {"NOT_FOUND": {"name": "nowhere"}, "FAILED_PRECONDITION": {"name": "named"}},
    ),
    "SetAlias": Rpc(
        {"alias": "further", "name": "words"},
        {"alias": "words"},
        "alias",
        {"NOT_FOUND": {"name": "nowhere"}},
    ),
    **{
        rpc: _single()
        for rpc in ("Count", "Find", "Ntd", "InfgramNtd", "Score", "MatchLengths", "Attribute")
    },
    **{
        f"{rpc}Batch": _batch()
        for rpc in ("Count", "Find", "Ntd", "InfgramNtd", "Score", "MatchLengths", "Attribute")
    },
    **{rpc: _single() for rpc in ("Prob", "InfgramProb", "SearchDocs", "ScoreText")},
    **{rpc: _batch() for rpc in ("ProbBatch", "InfgramProbBatch", "SearchDocsBatch")},
    **{rpc: Rpc({"cnf": NEAR}, {"cnf": None}, "cnf") for rpc in ("CountCnf", "FindCnf")},
    **{
        rpc: Rpc({"cnfs": [NEAR]}, FAR, "max_diff_tokens")
        for rpc in ("CountCnfBatch", "FindCnfBatch")
    },
    "DocByRank": Rpc({"rank": 1}, {"rank": 2**63}, "rank"),
    "DocByRankBatch": Rpc({"ranks": [1]}, {"ranks": [1, 2**63]}, "ranks[1]"),
    "DocByPosition": Rpc({"position": 1}, {"position": 2**63}, "position"),
    "DocByPositionBatch": Rpc({"positions": [1]}, {"positions": [2**63]}, "positions[0]"),
    "Tokenize": Rpc({"text": "the"}, {"text": "a" * 1_000_001}, "text"),
    "TokenizeBatch": Rpc({"texts": ["the"]}, {"texts": ["a"] * 4097}, "texts"),
    "Detokenize": Rpc({"tokens": SOME}, {"tokens": MANY}, "tokens"),
    "DetokenizeBatch": Rpc({"sequences": ONE}, {"sequences": RAGGED}, "sequences.lengths"),
    "ListHits": Rpc({"query": THE}, {"query": None}, "of"),
    "DecodeSession": Rpc({"append": THE}, {"append": pb.Query()}, "append"),
}
METHODS = [one.name for one in pb.DESCRIPTOR.services_by_name["IndexService"].methods]


def request(rpc: str, **changes: Any) -> Any:
    """The request that is answered, changed."""
    kind = getattr(pb, f"{rpc}Request")
    given = {"index": "words"} if "index" in kind.DESCRIPTOR.fields_by_name else {}
    return kind(**{**given, **RPCS[rpc].good, **changes})


def ask(stub: IndexServiceStub, rpc: str, message: Any, timeout: float = 10) -> list[Any]:
    """All answers to a request; raises what the status stands for."""
    with translated():
        asked = iter([message]) if rpc in STREAMS else message
        answer = getattr(stub, rpc)(asked, timeout=timeout)
        return list(answer) if rpc in (*STREAMS, "ListHits") else [answer]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("promises")
    make_text_index(root / "words")
    make_ids_index(root / "ids")
    return root


@pytest.fixture(scope="module")
def stub(root: Path) -> Iterator[IndexServiceStub]:
    indexes = f"words={root}/words,ids={root}/ids,spare={root}/ids,named={root}/ids"
    with (
        started("services.index", INDEXES=indexes, INDEX_ROOT=str(root)) as service,
        open_channel(service.target) as channel,
    ):
        for _ in range(4):
            service.wait_for("index ready")
        opened = IndexServiceStub(channel)
        opened.SetAlias(pb.SetAliasRequest(alias="alias", name="named"), timeout=10)
        yield opened


def _case(rpc: str, code: str) -> Any:
    """The request that earns a code."""
    known = RPCS[rpc]
    if code == "OK":
        return request(rpc)
    if code == "INVALID_ARGUMENT":
        return request(rpc, **known.wrong)
    if code in known.changes:
        return request(rpc, **known.changes[code])
    return request(rpc, index="nowhere" if code == "NOT_FOUND" else "ids")


PROMISES = sorted(promised("index/v1/index.proto"))


def test_every_rpc_promises_something_and_has_a_request() -> None:
    assert {rpc for rpc, code in PROMISES if code == "OK"} == set(METHODS) == set(RPCS)
    assert len(PROMISES) > 3 * len(METHODS)


@pytest.mark.parametrize(("rpc", "code"), PROMISES)
def test_a_promise_is_kept(stub: IndexServiceStub, root: Path, rpc: str, code: str) -> None:
    if (rpc, code) == ("SetAlias", "FAILED_PRECONDITION"):
        _is_refused_without_administration(root)
        return
    message = _case(rpc, code)
    if code == "OK":
        assert len(ask(stub, rpc, message)) == 1
        return
    with pytest.raises(KINDS[code]) as error:
        ask(stub, rpc, message)
    if isinstance(error.value, InvalidArgument):
        assert error.value.field == RPCS[rpc].names


def _is_refused_without_administration(root: Path) -> None:
    with (
        started("services.index", INDEXES=f"words={root}/words") as service,
        open_channel(service.target) as channel,
    ):
        service.wait_for("index ready")
        for rpc in ("LoadIndex", "UnloadIndex", "SetAlias"):
            with pytest.raises(FailedPrecondition, match="STILLHOUSE_INDEX_ROOT"):
                ask(IndexServiceStub(channel), rpc, request(rpc))


# What every rpc may answer.


class Full(Admission):
    """As many calls of each method are under way as are admitted."""

    def gate(self, method: str) -> Gate:
        gate = super().gate(method)
        gate.__enter__()
        return gate


async def _served(
    interceptor: grpc.aio.ServerInterceptor, registry: Registry
) -> AsyncIterator[IndexServiceStub]:
    with ThreadPoolExecutor(1) as executor:
        server = grpc.aio.server(interceptors=[interceptor])
        add_IndexServiceServicer_to_server(IndexService(registry, executor, Limits()), server)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield IndexServiceStub(channel)
        await server.stop(None)


async def _refusal(stub: Any, rpc: str) -> None:
    """Raises what the status stands for, if there is one."""
    with translated():
        if rpc in (*STREAMS, "ListHits"):
            asked = iter([request(rpc)]) if rpc in STREAMS else request(rpc)
            _ = [one async for one in getattr(stub, rpc)(asked, timeout=10)]
        else:
            await getattr(stub, rpc)(request(rpc), timeout=10)


async def test_each_method_is_admitted_by_itself() -> None:
    full = ErrorInterceptor(admission=Full({"*": 1}))
    async for stub in _served(full, Registry({})):
        for rpc in METHODS:
            with pytest.raises(ResourceExhausted, match=rpc) as error:
                await _refusal(stub, rpc)
            assert error.value.retry_after == 0.1


async def test_each_method_asks_for_a_token() -> None:
    async for stub in _served(TokenInterceptor({"one"}), Registry({})):
        for rpc in METHODS:
            with pytest.raises(Unauthenticated):
                await _refusal(stub, rpc)


async def test_each_query_waits_for_its_index(root: Path) -> None:
    registry = Registry({"words": root / "words"})  # and never loads it
    async for stub in _served(ErrorInterceptor(), registry):
        for rpc in set(METHODS) - {"ListIndexes", "LoadIndex", "UnloadIndex", "SetAlias"}:
            with pytest.raises(Unavailable, match="is loading"):
                await _refusal(stub, rpc)


def test_each_method_has_a_deadline(root: Path) -> None:
    with (
        started("services.index", INDEXES=f"words={root}/words") as service,
        open_channel(service.target) as channel,
    ):
        service.wait_for("index ready")
        stub = IndexServiceStub(channel)
        ask(stub, "ListIndexes", request("ListIndexes"))
        service.process.send_signal(signal.SIGSTOP)  # it is there, but doesn't answer
        for rpc in METHODS:
            with pytest.raises(DeadlineExceeded):
                ask(stub, rpc, request(rpc), timeout=0.05)
