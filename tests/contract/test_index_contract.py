"""What protos/stillhouse/index/v1 promises, over a real socket."""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import numpy as np
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)
from hypothesis import HealthCheck, given, settings

from services.index.limits import Limits
from services.index.registry import Registry
from services.index.rpc import SERVICE, IndexService
from stillhouse.errors import (
    DeadlineExceeded,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    Unavailable,
)
from stillhouse.index.client import AsyncIndexClient, IndexClient
from stillhouse.index.v1 import index_pb2
from stillhouse.index.v1.index_pb2_grpc import (
    IndexServiceStub,
    add_IndexServiceServicer_to_server,
)
from stillhouse.transport import open_channel, translated
from tests.support.index_requests import STREAMING, requests
from tests.support.service_process import launch, started
from tests.support.serving import served
from tests.support.small_index import (
    TEXTS,
    longest_matches,
    make_ids_index,
    make_text_index,
    occurrences,
)

MODULE = "services.index"
LIMITS = {"query_tokens": 64, "query_characters": 400, "batch_queries": 8, "batch_tokens": 128}

Ask = Callable[[IndexClient, str], object]
ASKS: dict[str, Ask] = {
    "count": lambda client, index: client.count("the", index),
    "count_batch": lambda client, index: client.count_batch(["the"], index),
    "match_lengths": lambda client, index: client.match_lengths("the", index),
    "match_lengths_batch": lambda client, index: client.match_lengths_batch(["the"], index),
    "tokenize": lambda client, index: client.tokenize("the", index),
    "tokenize_batch": lambda client, index: client.tokenize_batch(["the"], index),
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("indexes")
    return {"words": make_text_index(root / "words"), "ids": make_ids_index(root / "ids")}


@pytest.fixture(scope="module")
def target(folders: dict[str, Path]) -> Iterator[str]:
    indexes = ",".join(f"{name}={folder}" for name, folder in folders.items())
    limits = {f"MAX_{name.upper()}": str(value) for name, value in LIMITS.items()}
    with started(MODULE, INDEXES=indexes, **limits) as service:
        wait_until_serving(service.target)
        yield service.target


@pytest.fixture(scope="module")
def client(target: str) -> Iterator[IndexClient]:
    with IndexClient(target) as opened:
        yield opened


@pytest.fixture(scope="module")
def stub(target: str) -> Iterator[IndexServiceStub]:
    with open_channel(target) as channel:
        yield IndexServiceStub(channel)


def health(target: str, service: str = "") -> int:
    with open_channel(target) as channel:
        request = health_pb2.HealthCheckRequest(service=service)
        return int(health_pb2_grpc.HealthStub(channel).Check(request, timeout=5).status)


def wait_until_serving(target: str) -> None:
    end = time.monotonic() + 30
    while health(target) != health_pb2.HealthCheckResponse.SERVING:
        assert time.monotonic() < end
        time.sleep(0.02)


# OK


def test_list_indexes_names_them_in_order(client: IndexClient) -> None:
    ids, words = client.list_indexes()
    assert (ids.name, ids.ready, ids.tokens, ids.documents) == ("ids", True, 5, 2)
    assert (words.name, words.ready, words.documents) == ("words", True, 3)
    assert words.tokens == sum(len(text.split()) for text in TEXTS)
    assert (len(words.tokenizer_sha256), ids.tokenizer_sha256) == (64, "")
    assert words.digest != ids.digest


@pytest.mark.parametrize("text", ["the still runs", "the", "kept the", "unheard of", "kept and"])
def test_count_is_that_of_the_slow_way(client: IndexClient, text: str) -> None:
    result = client.count(text, "words")
    assert result.count == occurrences(text)
    assert client.count(result.tokens, "words") == result


def test_the_empty_ngram_occurs_at_every_token(client: IndexClient) -> None:
    assert client.count([], "ids").count == 5
    assert client.count("", "words").count == client.list_indexes()[1].tokens


def test_ngrams_never_cross_documents(client: IndexClient) -> None:
    assert client.count([2, 3], "ids").count == 2
    assert client.count([3, 2], "ids").count == 0


def test_count_batch_keeps_the_order_and_mixes_kinds(client: IndexClient) -> None:
    ids = np.array(client.tokenize("hearts are kept", "words").ids)
    queries = ["the", ids, "never", ids[:1].tolist(), ""]
    answers = client.count_batch(queries, "words")
    assert answers == tuple(client.count(query, "words").count for query in queries)
    assert answers[:3] == (5, 2, 0)


def test_an_empty_batch_has_empty_answers(client: IndexClient) -> None:
    assert client.count_batch([], "words") == ()
    assert client.match_lengths_batch([], "words") == ()
    assert client.tokenize_batch([], "words") == ()


@pytest.mark.parametrize("text", ["", "hot and the still boils", "only the still runs again", "x"])
def test_match_lengths_are_those_of_the_slow_way(client: IndexClient, text: str) -> None:
    found = client.match_lengths(text, "words")
    assert (found.lengths.tolist(), found.counts.tolist()) == longest_matches(text)
    assert found.tokens.tolist() == list(client.tokenize(text, "words").ids)


def test_match_lengths_batch_keeps_the_order(client: IndexClient) -> None:
    texts = ["kept and the", "", "still runs", "unknown"]
    for text, found in zip(texts, client.match_lengths_batch(texts, "words"), strict=True):
        assert (found.lengths.tolist(), found.counts.tolist()) == longest_matches(text)


def test_tokenize_neither_truncates_nor_pads(client: IndexClient) -> None:
    assert client.tokenize("the still runs", "words").pieces == ("the", "still", "runs")
    one, two = client.tokenize_batch(["the still runs", "hot"], "words")
    assert (len(one.ids), two.pieces) == (3, ("hot",))


def test_a_long_query_is_answered_as_a_short_one(target: str) -> None:
    """Past the bound below which calls are answered without a thread of their own."""
    text = "the still runs " * 20
    with IndexClient(target) as client:
        long = client.match_lengths(text, "words")
        assert long.lengths.tolist() == longest_matches(text)[0]


# INVALID_ARGUMENT


def test_a_missing_query_is_named(stub: IndexServiceStub) -> None:
    single = index_pb2.CountRequest(index="words")
    batch = index_pb2.MatchLengthsBatchRequest(
        index="words", queries=[index_pb2.Query(text="a"), index_pb2.Query()]
    )
    with pytest.raises(InvalidArgument, match="missing") as error, translated():
        stub.Count(single, timeout=5)
    assert error.value.field == "query"
    with pytest.raises(InvalidArgument, match="missing") as error, translated():
        stub.MatchLengthsBatch(batch, timeout=5)
    assert error.value.field == "queries[1]"


@pytest.mark.parametrize(
    ("ask", "field", "limit"),
    [
        (lambda client: client.count([1] * 65, "words"), "query", 64),
        (lambda client: client.count("a " * 65, "words"), "query", 64),
        (lambda client: client.count("a" * 401, "words"), "query", 400),
        (lambda client: client.match_lengths([1] * 65, "words"), "query", 64),
        (lambda client: client.tokenize("a" * 401, "words"), "text", 400),
        (lambda client: client.tokenize("a " * 65, "words"), "text", 64),
        (lambda client: client.count_batch(["a"] * 9, "words"), "queries", 8),
        (lambda client: client.count_batch(["a", "a" * 401], "words"), "queries[1]", 400),
        (lambda client: client.match_lengths_batch([[1] * 60] * 3, "words"), "sequences", 128),
        (
            lambda client: client.match_lengths_batch([[1], [1] * 65], "words"),
            "sequences.lengths[1]",
            64,
        ),
        (lambda client: client.tokenize_batch(["a"] * 9, "words"), "texts", 8),
        (lambda client: client.tokenize_batch(["a " * 60] * 3, "words"), "texts", 128),
    ],
)
def test_what_is_over_a_limit_is_named_with_it(
    client: IndexClient, ask: Callable[[IndexClient], object], field: str, limit: int
) -> None:
    with pytest.raises(InvalidArgument) as error:
        ask(client)
    assert error.value.field == field
    assert str(limit) in error.value.reason


@pytest.mark.parametrize("ask", ASKS.values(), ids=ASKS)
def test_an_empty_name_is_refused_where_there_are_several(client: IndexClient, ask: Ask) -> None:
    with pytest.raises(InvalidArgument, match="ids, words") as error:
        ask(client, "")
    assert error.value.field == "index"


# NOT_FOUND, FAILED_PRECONDITION


@pytest.mark.parametrize("ask", ASKS.values(), ids=ASKS)
def test_an_unknown_index_is_not_found(client: IndexClient, ask: Ask) -> None:
    with pytest.raises(NotFound, match=r"'nowhere'.*ids, words"):
        ask(client, "nowhere")


@pytest.mark.parametrize("ask", ASKS.values(), ids=ASKS)
def test_text_needs_a_tokenizer(client: IndexClient, ask: Ask) -> None:
    with pytest.raises(FailedPrecondition, match="no tokenizer"):
        ask(client, "ids")


# UNAVAILABLE, DEADLINE_EXCEEDED


@pytest.fixture
async def loading(folders: dict[str, Path]) -> AsyncIterator[tuple[Registry, str]]:
    """A registry that has not loaded yet, one index in it, and where it is served."""
    registry = Registry({"words": folders["words"]})
    with ThreadPoolExecutor(1) as executor:
        service = IndexService(registry, executor, Limits(4096, 4096, 8, 4096))
        async with served(
            SERVICE, lambda server: add_IndexServiceServicer_to_server(service, server)
        ) as target:
            yield registry, target


async def test_an_index_is_unavailable_until_it_is_loaded(loading: tuple[Registry, str]) -> None:
    registry, target = loading
    async with AsyncIndexClient(target) as client:
        assert [info.ready for info in await client.list_indexes()] == [False]
        with pytest.raises(Unavailable, match="'words' is loading"):
            await client.count("the")
        registry.load()
        assert [info.ready for info in await client.list_indexes()] == [True]
        assert (await client.count("the")).count == 5


async def test_every_call_has_its_async_twin(loading: tuple[Registry, str]) -> None:
    registry, target = loading
    registry.load()
    async with AsyncIndexClient(target) as client:
        assert await client.count_batch(["the", "hot"]) == (5, 1)
        assert (await client.match_lengths("the hot")).lengths.tolist() == [1, 1]
        (found,) = await client.match_lengths_batch(["the hot"])
        assert found.counts.tolist() == [5, 1]
        assert (await client.tokenize("the hot")).pieces == ("the", "hot")
        (tokenization,) = await client.tokenize_batch(["hot"])
        assert tokenization.pieces == ("hot",)


async def test_a_call_that_waits_too_long_ends_and_leaves_no_trace(
    folders: dict[str, Path],
) -> None:
    registry = Registry({"words": folders["words"]})
    registry.load()
    released = threading.Event()
    with ThreadPoolExecutor(1) as executor:
        executor.submit(released.wait)
        service = IndexService(registry, executor, Limits(4096, 4096, 8, 4096))
        async with (
            served(SERVICE, lambda one: add_IndexServiceServicer_to_server(service, one)) as target,
            AsyncIndexClient(target, timeout=0.3) as client,
        ):
            with pytest.raises(DeadlineExceeded):
                await client.count([1] * 1000)
            assert (await client.count("the", timeout=5)).count == 5  # short calls pass by
            released.set()
            assert (await client.count([1] * 1000, timeout=5)).count == 0


# Health, reflection, the process


def test_health_and_reflection(target: str) -> None:
    serving = health_pb2.HealthCheckResponse.SERVING
    assert {health(target, name) for name in ("", SERVICE, "liveness")} == {serving}
    with open_channel(target) as channel:
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
        assert next(watch).status == serving
        watch.cancel()
        database = ProtoReflectionDescriptorDatabase(channel)
        assert SERVICE in database.get_services()
        file = database.FindFileContainingSymbol(SERVICE)
    assert len(file.service[0].method) == len(
        index_pb2.DESCRIPTOR.services_by_name["IndexService"].methods
    )


def ask_until_refused(target: str) -> None:
    with IndexClient(target) as client:
        for _ in range(1000):
            client.count("the")


def test_sigterm_lets_calls_under_way_finish(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "false")
    limits = dict.fromkeys(
        ("MAX_QUERY_CHARACTERS", "MAX_QUERY_TOKENS", "MAX_BATCH_TOKENS"), "4000000"
    )
    texts = ["the still runs " * 150_000] * 6  # seconds of work
    with (
        started(MODULE, INDEXES=f"words={folders['words']}", **limits) as service,
        open_channel(service.target) as channel,
        ThreadPoolExecutor(1) as executor,
    ):
        wait_until_serving(service.target)
        idle = service.cpu_seconds()
        # In one call, which the client would have cut.
        request = index_pb2.CountBatchRequest(queries=[index_pb2.Query(text=one) for one in texts])
        answer = executor.submit(IndexServiceStub(channel).CountBatch, request)
        while service.cpu_seconds() < idle + 0.5:  # more than it takes to read the request
            time.sleep(0.01)
        assert not answer.done()
        service.process.send_signal(signal.SIGTERM)
        service.wait_for("stopping")
        with pytest.raises(Unavailable):
            ask_until_refused(service.target)
        assert answer.result().counts == [0] * 6
        assert service.process.wait(10) == 0


@pytest.mark.parametrize(
    ("indexes", "said"),
    [
        ("", "STILLHOUSE_INDEXES"),
        ("words", "name=folder"),
        ("a=/x,a=/y", "twice"),
        ("words=/nowhere", "no index folder /nowhere"),
        ("words=/", "no readable index"),
    ],
)
def test_a_start_that_cannot_succeed_says_why_in_one_line(indexes: str, said: str) -> None:
    process = launch(MODULE, INDEXES=indexes, LOG_LEVEL="ERROR")
    _, stderr = process.communicate(timeout=30)
    assert process.returncode == 2
    assert stderr.startswith("error: ")
    assert said in stderr
    assert stderr.count("\n") == 1


# What a front of shards asks


def test_cnf_of_an_anchor_and_behind_some_positions(stub: IndexServiceStub) -> None:
    def clause(text: str) -> index_pb2.Clause:
        return index_pb2.Clause(any_of=[index_pb2.Query(text=text)])

    cnf = index_pb2.Cnf(clauses=[clause("the"), clause("hearts")])
    rarest = stub.FindCnf(index_pb2.FindCnfRequest(index="words", cnf=cnf))
    assert rarest.count == occurrences("hearts") == 2
    asked = index_pb2.FindCnfRequest(index="words", cnf=cnf, anchor=0)
    found = stub.FindCnf(asked)
    assert found.count == 3  # each `the` in the two documents with `hearts`
    asked.skip, asked.limit = 1, 1
    part = stub.FindCnf(asked)
    assert (part.count, list(part.positions)) == (3, list(found.positions)[1:2])
    asked.skip = 2**64 - 1
    assert not stub.FindCnf(asked).positions
    count = index_pb2.CountCnfRequest(index="words", cnf=cnf, anchor=0)
    assert stub.CountCnf(count).count == 3
    count.anchor = 2
    with pytest.raises(InvalidArgument) as error, translated():
        stub.CountCnf(count)
    assert error.value.field == "anchor"


def test_an_index_by_its_digest(target: str) -> None:
    with IndexClient(target) as client:
        digests = {one.name: one.digest for one in client.list_indexes()}
        assert client.count("the", f"words@{digests['words']}").count == 5
        with pytest.raises(FailedPrecondition, match="asked for was"):
            client.count("the", f"words@{digests['ids']}")
        with pytest.raises(NotFound):
            client.count("the", f"other@{digests['words']}")


# Whatever comes in


_PROMISED = {
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.FAILED_PRECONDITION,
}


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(asked=requests())
def test_no_request_is_answered_by_a_code_that_is_not_promised(
    stub: IndexServiceStub, asked: tuple[str, object]
) -> None:
    method, request = asked
    try:
        answer = getattr(stub, method)(
            iter(request) if isinstance(request, list) else request, timeout=10
        )
        if method in STREAMING:
            list(answer)
    except grpc.RpcError as error:
        refused = error
    else:
        return
    assert refused.code() in _PROMISED, refused.details()


async def test_async_clients_share_nothing_between_loops(target: str) -> None:
    async def ask() -> int:
        async with AsyncIndexClient(target) as client:
            return (await client.count("the", "words")).count

    assert await ask() == 5
    assert await asyncio.to_thread(lambda: asyncio.run(ask())) == 5
