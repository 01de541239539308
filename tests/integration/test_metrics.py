"""What the services tell Prometheus, read from their ports."""

from __future__ import annotations

import signal
from pathlib import Path

import grpc
import pytest

from stillhouse.errors import InvalidArgument, Unauthenticated
from stillhouse.index.client import IndexClient
from stillhouse.transport import open_channel
from tests.support.gateway import gateway_process, make_byte_level_index
from tests.support.metrics import scrape, scraped_until, value
from tests.support.service_process import launch, started
from tests.support.small_index import make_text_index

FREE = "127.0.0.1:0"
COUNT = {
    "grpc_type": "unary",
    "grpc_service": "stillhouse.index.v1.IndexService",
    "grpc_method": "Count",
}


def _as_it_is(message: bytes) -> bytes:
    return message


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_text_index(tmp_path_factory.mktemp("metrics") / "words")


def test_calls_are_counted_by_method_and_status(folder: Path) -> None:
    with (
        started("services.index", INDEXES=f"words={folder}", METRICS_LISTEN=FREE) as service,
        IndexClient(service.target) as client,
    ):
        service.wait_for("index ready")
        for _ in range(3):
            client.count("the")
        with pytest.raises(InvalidArgument):
            client.prob([])
        list(client.score_text(["the", "still"]))
        found = scraped_until(
            service.metrics_port,
            lambda all_: value(all_, "grpc_server_handled_total", grpc_method="ScoreText") == 1,
        )
        assert value(found, "grpc_server_started_total", **COUNT) == 3
        assert value(found, "grpc_server_handled_total", **COUNT, grpc_code="OK") == 3
        assert value(found, "grpc_server_handling_seconds_count", **COUNT) == 3
        assert value(found, "grpc_server_handling_seconds_sum", **COUNT) > 0
        refused = {"grpc_method": "Prob", "grpc_code": "InvalidArgument"}
        assert value(found, "grpc_server_handled_total", **refused) == 1
        assert value(found, "grpc_server_handled_total", grpc_type="bidi_stream") == 1
        digest = client.list_indexes()[0].digest
        assert value(found, "stillhouse_index_info", index="words", digest=digest) == 1
        assert value(found, "stillhouse_index_tokens", index="words") == 23
        assert value(found, "stillhouse_index_work_seconds_count") >= 5
        assert value(found, "stillhouse_ready") == 1
        assert value(found, "process_resident_memory_bytes") > 0


def test_what_is_refused_at_the_door_is_counted_without_its_name(folder: Path) -> None:
    """Whoever shows no token can't make names of methods that are kept."""
    with (
        started(
            "services.index", INDEXES=f"words={folder}", METRICS_LISTEN=FREE, TOKENS="one"
        ) as service,
        IndexClient(service.target, token="two") as client,
        open_channel(service.target) as channel,
    ):
        service.wait_for("index ready")
        with pytest.raises(Unauthenticated):
            client.count("the")
        with pytest.raises(grpc.RpcError):
            channel.unary_unary("/made.up/Name", _as_it_is, _as_it_is)(b"")
        found = scrape(service.metrics_port)
        assert value(found, "stillhouse_calls_refused_total", reason="token") == 2
        assert value(found, "grpc_server_started_total", **COUNT) == 0
        assert not any("Name" in dict(labels).values() for _, labels in found)


def test_processes_are_added_up_by_their_parent(folder: Path) -> None:
    with started(
        "services.index", "--processes", "2", INDEXES=f"words={folder}", METRICS_LISTEN=FREE
    ) as service:
        for _ in range(2):
            service.wait_for("index ready")
        for _ in range(12):  # each a connection of its own, so that both processes are asked
            with IndexClient(service.target) as client:
                client.count("the")
        found = scraped_until(
            service.metrics_port,
            lambda all_: value(all_, "grpc_server_handled_total", **COUNT, grpc_code="OK") == 12,
        )
        assert value(found, "grpc_server_started_total", **COUNT) == 12
        assert value(found, "grpc_server_handling_seconds_count", **COUNT) == 12
        assert value(found, "stillhouse_index_tokens", index="words") == 23
        assert value(found, "stillhouse_ready") == 1
        service.process.send_signal(signal.SIGTERM)  # and its children with it
        assert service.process.wait(20) == 0


def test_the_gateway_counts_requests_by_route(tmp_path: Path) -> None:
    index = make_byte_level_index(tmp_path / "index")
    with (
        started("services.index", INDEXES=f"corpus={index}") as service,
        gateway_process(service.target, METRICS_LISTEN=FREE) as (process, client),
    ):
        assert client.get("/health/live").status_code == 200
        assert client.get("/nothing/here").status_code == 404
        assert client.request("BREW", "/health/live").status_code == 405
        found = scrape(process.metrics_port)
        live = {"method": "GET", "route": "/health/live", "code": "200"}
        assert value(found, "stillhouse_http_requests_total", **live) == 1
        other = {"method": "GET", "route": "other", "code": "404"}
        assert value(found, "stillhouse_http_requests_total", **other) == 1
        assert value(found, "stillhouse_http_requests_total", method="other") == 1
        assert value(found, "stillhouse_ready") == 1
        assert value(found, "stillhouse_http_request_seconds_count", route="/health/live") >= 1


@pytest.mark.parametrize("listen", ["nonsense", "127.0.0.1:70000", "192.0.2.1:9000"])
def test_a_port_that_cannot_be_had_is_named(folder: Path, listen: str) -> None:
    process = launch(
        "services.index", INDEXES=f"words={folder}", METRICS_LISTEN=listen, LOG_LEVEL="ERROR"
    )
    _, stderr = process.communicate(timeout=30)
    assert process.returncode == 2
    assert stderr.startswith("error: STILLHOUSE_METRICS_LISTEN: cannot listen on")
