"""Health on a port of its own, and the command that asks for it, as containers do."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from services.runtime.healthcheck import own_target
from stillhouse.generator.client import GeneratorClient
from stillhouse.generator.types import ModelPointer
from stillhouse.local.stack import free_ports
from tests.support.papers import make_papers
from tests.support.service_process import launch, started
from tests.support.small_index import make_text_index
from tests.support.tiny_model import make_tiny_model


def check(*arguments: str) -> int:
    """The exit code of the command."""
    command = [sys.executable, "-m", "services.runtime.healthcheck", *arguments]
    return subprocess.run(command, check=False).returncode


@pytest.fixture(scope="module")
def probed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """The targets of an index that speaks TLS, and of its health port."""
    folder = tmp_path_factory.mktemp("probed")
    papers = make_papers(folder)
    (port,) = free_ports(1)
    with started(
        "services.index",
        INDEXES=f"words={make_text_index(folder / 'words')}",
        HEALTH_LISTEN=f"127.0.0.1:{port}",
        TLS_CERTIFICATE=str(papers.certificate),
        TLS_KEY=str(papers.key),
        TOKENS="secret",
    ) as service:
        service.wait_for("index ready")
        yield service.target, f"127.0.0.1:{port}"


def test_probes_need_neither_certificate_nor_token(probed: tuple[str, str]) -> None:
    service, health = probed
    assert check(health) == 0
    assert check(health, "--service", "liveness") == 0
    assert check(health, "--service", "stillhouse.index.v1.IndexService") == 0
    assert check(health, "--service", "unknown") == 1
    assert check(service, "--timeout", "0.5") == 1


def test_nothing_else_answers_there(probed: tuple[str, str]) -> None:
    with grpc.insecure_channel(probed[1]) as channel:
        call: Any = channel.unary_unary("/stillhouse.index.v1.IndexService/ListIndexes")
        with pytest.raises(grpc.RpcError) as caught:
            call(b"", timeout=5)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_a_health_port_in_use_is_named(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        process = launch(
            "services.index",
            INDEXES=f"words={make_text_index(tmp_path / 'words')}",
            HEALTH_LISTEN=address,
        )
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 2
    assert f"STILLHOUSE_HEALTH_LISTEN: cannot listen on {address}" in errors


def test_the_command_asks_the_service_of_its_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STILLHOUSE_HEALTH_LISTEN", raising=False)
    monkeypatch.setenv("STILLHOUSE_LISTEN", "0.0.0.0:50051")
    assert own_target() == "127.0.0.1:50051"
    monkeypatch.setenv("STILLHOUSE_HEALTH_LISTEN", "10.0.0.1:8081")
    assert own_target() == "10.0.0.1:8081"
    monkeypatch.delenv("STILLHOUSE_HEALTH_LISTEN")
    monkeypatch.delenv("STILLHOUSE_LISTEN")
    assert check() == 2


def test_http_is_asked_by_its_status(probed: tuple[str, str]) -> None:
    (port,) = free_ports(1)
    address = f"http://127.0.0.1:{port}/health"
    assert check(f"{address}/live") == 1
    process = launch("services.gateway", LISTEN=f"127.0.0.1:{port}", INDEX_TARGET="127.0.0.1:1")
    try:
        for _ in range(60):
            if check(f"{address}/live") == 0:
                break
        assert check(f"{address}/live") == 0
        assert check(f"{address}/ready", "--timeout", "10") == 1
    finally:
        process.terminate()
        process.communicate()


def test_a_writer_answers_without_a_broker_and_loads_what_it_is_told(tmp_path: Path) -> None:
    models = [make_tiny_model(tmp_path / str(seed), seed) for seed in (0, 1)]
    with started(
        "services.generator", ROLE="writer", MODEL_URI=models[0].uri, NATS_URL="nats://127.0.0.1:1"
    ) as service:
        for _ in range(60):
            if check(service.target) == 0:
                break
        with GeneratorClient(service.target) as client:
            assert client.describe().pointer.digest == models[0].digest
            assert not client.describe().load_refused
            assert client.load_model(ModelPointer(models[1].uri)).digest == models[1].digest
