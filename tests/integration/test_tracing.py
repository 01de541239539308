"""A trace through the services that answer calls: gateway, a front, its shards."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from services.index.build import build_index
from tests.support.gateway import gateway
from tests.support.otlp import Received, receiving
from tests.support.service_process import launch, started
from tests.support.shards import front_of
from tests.support.small_index import TEXTS, make_tokenizer

INDEX = "stillhouse.index.v1.IndexService"
TRACE, ABOVE = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def test_a_trace_goes_from_the_gateway_to_every_shard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokenizer = make_tokenizer(tmp_path / "tokenizer.json")
    for number, text in enumerate(TEXTS[:2]):
        build_index([text], tokenizer, tmp_path / f"part-{number}")
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
    with receiving() as receiver:
        monkeypatch.setenv("STILLHOUSE_OTLP_ENDPOINT", receiver.endpoint)
        with (
            started("services.index", INDEXES=f"part={tmp_path}/part-0") as one,
            started("services.index", INDEXES=f"part={tmp_path}/part-1") as two,
            front_of([one.target, two.target], tokenizer) as front,
        ):
            front.wait_for("index ready")
            with gateway(front.target) as client:
                header = f"00-{TRACE}-{ABOVE}-01"
                answer = client.post(
                    "/v1/count", json={"query": "the"}, headers={"traceparent": header}
                )
                assert answer.status_code == 200, answer.text
                client.post("/v1/count", json={"query": "the"})  # belongs to no trace
                spans = received(receiver.spans, 4)
    assert {one.trace_id for one in receiver.spans} == {TRACE}
    by_name: dict[str, list[Received]] = {}
    for span in spans:
        by_name.setdefault(span.name, []).append(span)
    (request,) = by_name["POST /v1/count"]
    (count,) = by_name[f"{INDEX}/Count"]
    batches = by_name[f"{INDEX}/CountBatch"]
    assert request.service == "stillhouse-gateway"
    assert request.parent_id == ABOVE
    assert count.parent_id == request.span_id
    assert [one.parent_id for one in batches] == [count.span_id] * 2


def received(spans: list[Received], count: int) -> list[Received]:
    end = time.monotonic() + 30
    while len(spans) < count:
        assert time.monotonic() < end, spans
        time.sleep(0.05)
    return spans


def test_an_endpoint_without_the_extra_is_one_clear_error(tmp_path: Path) -> None:
    """Where OpenTelemetry cannot be imported; here since its name is taken."""
    (tmp_path / "opentelemetry.py").write_text("")
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", path)
        process = launch(
            "services.index", INDEXES="a=/x", OTLP_ENDPOINT="http://127.0.0.1:1", LOG_LEVEL="ERROR"
        )
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 2
    assert stderr == (
        "error: STILLHOUSE_OTLP_ENDPOINT: needs OpenTelemetry: "
        "pip install 'stillhouse-services[otel]'\n"
    )
