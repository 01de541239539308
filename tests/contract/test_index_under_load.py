"""What holds while calls are under way: deadlines, swaps, readiness, limits, any bytes."""

from __future__ import annotations

import contextlib
import dataclasses
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.index.build import build_index
from services.index.engine import write_index
from services.index.limits import Limits
from services.index.rpc import SERVICE
from services.index.settings import IndexSettings
from stillhouse.errors import DeadlineExceeded, FailedPrecondition, InvalidArgument
from stillhouse.index.client import IndexClient
from stillhouse.index.v1 import index_pb2 as pb
from stillhouse.transport import open_channel
from tests.support.service_process import ServiceProcess, started
from tests.support.small_index import TEXTS, make_tokenizer

MODULE = "services.index"
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
METHODS = [one.name for one in pb.DESCRIPTOR.services_by_name["IndexService"].methods]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("load")
    tokenizer = make_tokenizer(root / "tokenizer.json")
    build_index(TEXTS, tokenizer, root / "words")
    build_index(TEXTS[:1], tokenizer, root / "first")
    return root


@pytest.fixture(scope="module")
def service(root: Path) -> Iterator[ServiceProcess]:
    with started(MODULE, INDEXES=f"words={root}/words", INDEX_ROOT=str(root)) as one:
        one.wait_for("index ready")
        yield one


@pytest.fixture(scope="module")
def client(service: ServiceProcess) -> Iterator[IndexClient]:
    with IndexClient(service.target) as opened:
        yield opened


def test_a_deadline_stops_the_engine_in_the_middle(tmp_path: Path) -> None:
    size = 200_000
    tokens = np.arange(size, dtype=np.uint32)
    write_index(tokens, np.array([0, size], np.uint64), tmp_path / "wide", "")
    everything: list[list[int]] = [[]] * 4096  # each sorts 200,000 next tokens
    with (
        started(MODULE, INDEXES=f"wide={tmp_path}/wide", THREADS="1") as one,
        IndexClient(one.target) as client,
    ):
        one.wait_for("index ready")
        with pytest.raises(DeadlineExceeded):
            client.ntd_batch(everything, top=1, timeout=0.3)
        # The one thread is free again, long before all of them were answered.
        busy = one.cpu_seconds()
        assert client.ntd([], top=1, timeout=60).end_count == 1
        assert one.cpu_seconds() - busy < 1


def test_a_swap_of_an_alias_drops_no_call(client: IndexClient) -> None:
    client.load_index("other", "first")
    client.set_alias("current", "words")
    counts: set[int] = set()
    done = threading.Event()

    def ask() -> int:
        number = 0
        while not done.is_set():
            counts.add(client.count("the", "current").count)
            number += 1
        return number

    with ThreadPoolExecutor(4) as threads:
        asked = [threads.submit(ask) for _ in range(4)]
        for number in range(100):
            client.set_alias("current", ("words", "other")[number % 2])
        done.set()
        assert sum(one.result() for one in asked) > 20
    assert counts == {5, 2}
    client.set_alias("current", "")
    client.unload_index("other")


def test_health_tells_of_each_index(client: IndexClient, service: ServiceProcess) -> None:
    with open_channel(service.target) as channel:
        stub = health_pb2_grpc.HealthStub(channel)

        def health(name: str) -> int:
            asked = health_pb2.HealthCheckRequest(service=f"{SERVICE}/{name}")
            return int(stub.Check(asked, timeout=5).status)

        assert health("words") == SERVING
        with pytest.raises(grpc.RpcError) as error:
            health("later")
        assert error.value.code() is grpc.StatusCode.NOT_FOUND
        client.load_index("later", "first")
        assert health("later") == SERVING
        client.unload_index("later")
        assert health("later") == NOT_SERVING


def test_a_page_token_belongs_to_its_query_and_content(client: IndexClient) -> None:
    client.load_index("paged", "words")
    token = next(client.list_hits("the", index="paged", page_size=1)).next_page_token
    with pytest.raises(InvalidArgument) as error:
        list(client.list_hits("still", index="paged", page_token=token))
    assert error.value.field == "page_token"
    client.load_index("paged", "first")
    with pytest.raises(FailedPrecondition, match="another content"):
        list(client.list_hits("the", index="paged", page_token=token))
    client.unload_index("paged")


# Limits: each refusal names the field, its value and the limit.

LIMITS = {one.name: 3 for one in dataclasses.fields(Limits)} | {"batch_tokens": 5, "positions": 4}
Ask = Callable[[IndexClient], object]
OVER: dict[str, tuple[Ask, str, int]] = {
    "query_tokens": (lambda one: one.count([1] * 4), "query", 4),
    "query_characters": (lambda one: one.count("a" * 7), "query", 7),
    "batch_queries": (lambda one: one.count_batch([[1]] * 4), "sequences", 4),
    "batch_tokens": (lambda one: one.count_batch([[1, 1], [1, 1], [1, 1]]), "sequences", 6),
    "next_tokens": (lambda one: one.ntd([1], top=4), "top", 4),
    "documents": (lambda one: one.search_docs([1], limit=8), "limit", 8),
    "positions": (lambda one: one.find_cnf([[[1]]], limit=5), "limit", 5),
    "context_tokens": (lambda one: one.doc_by_rank(0, context=4), "excerpt.context", 4),
    "cnf_clauses": (lambda one: one.count_cnf([[[1]]] * 4), "cnf.clauses", 4),
    "clause_ngrams": (lambda one: one.count_cnf([[[1]] * 4]), "cnf.clauses[0].any_of", 4),
    "diff_tokens": (
        lambda one: one.count_cnf([[[1]]], max_diff_tokens=9),
        "max_diff_tokens",
        9,
    ),
}


@pytest.fixture(scope="module")
def narrow(root: Path) -> Iterator[IndexClient]:
    """A client of a server whose every limit is small."""
    given = {f"MAX_{name.upper()}": str(limit) for name, limit in LIMITS.items()}
    assert {f"max_{name}" for name in LIMITS} <= set(IndexSettings.model_fields)
    with started(MODULE, INDEXES=f"words={root}/words", **given) as one:
        one.wait_for("index ready")
        with IndexClient(one.target) as opened:
            yield opened


@pytest.mark.parametrize("limit", LIMITS)
def test_what_is_over_a_limit_is_named_with_value_and_limit(
    narrow: IndexClient, limit: str
) -> None:
    ask, field, value = OVER[limit]
    with pytest.raises(InvalidArgument) as error:
        ask(narrow)
    assert error.value.field == field
    assert str(value) in error.value.reason
    assert f"the limit is {LIMITS[limit]}" in error.value.reason


# Any bytes.


@pytest.fixture(scope="module")
def channel(service: ServiceProcess) -> Iterator[grpc.Channel]:
    with open_channel(service.target) as opened:
        yield opened


def test_bytes_that_are_no_message_are_the_callers_mistake(channel: grpc.Channel) -> None:
    for method in METHODS:
        code, details = _send(channel, method, b"\xff\xff\xff")
        assert code is grpc.StatusCode.INVALID_ARGUMENT, method
        assert "no message" in details


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(method=st.sampled_from(METHODS), data=st.binary(max_size=60))
def test_no_bytes_are_a_defect_or_the_end(
    channel: grpc.Channel, client: IndexClient, method: str, data: bytes
) -> None:
    code, details = _send(channel, method, data)
    assert code not in (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN), details
    assert code is not grpc.StatusCode.UNAVAILABLE
    assert client.count("the", "words").count == 5


def _send(channel: grpc.Channel, method: str, data: bytes) -> tuple[grpc.StatusCode, str]:
    """How a call with these bytes for a request ends; a stream gets them twice."""
    send: Any = channel.stream_stream(f"/{SERVICE}/{method}")
    call = send(iter([data] * (2 if method in ("ScoreText", "DecodeSession") else 1)), timeout=10)
    with contextlib.suppress(grpc.RpcError):
        list(call)
    return call.code(), call.details()
