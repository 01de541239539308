"""One small run through real processes and queues: its trace, its metrics, its logs."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from nats.aio.msg import Msg

from services.index.build import build_index
from services.runtime import streams
from services.topology import verdicts_subject
from stillhouse import corpus, tracing
from stillhouse.local.stack import Stack, StackConfig, running
from stillhouse.recipe import Recipe
from stillhouse.trainer.client import AsyncTrainerClient
from stillhouse.trainer.types import RunState
from tests.support.corpus import write_corpus
from tests.support.metrics import Samples, scrape, value
from tests.support.otlp import Received, Receiver, receiving
from tests.support.tiny_model import make_tiny_model

pytestmark = pytest.mark.timeout(300)

RUN = "watched"
_LAYERS = [
    {"name": "brevity", "thresholds": {"ratio": 5.0, "min_words": 2, "max_words": 1000}},
    {"name": "novelty", "thresholds": {"verbatim": 1.0, "max_share": 1.0, "max_run": 1000}},
    {"name": "faithfulness", "thresholds": {"pmi": -1e9, "logprob": -1e9, "weakest": -1e9}},
]


@dataclass(frozen=True)
class Watched:
    """A run that has ended, and what was seen of it."""

    trace: str
    receiver: Receiver
    logs: dict[str, list[dict[str, Any]]]
    metrics: dict[str, Samples]
    headers: list[dict[str, str]]


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    root = tmp_path_factory.mktemp("watched")
    teacher = make_tiny_model(root / "teacher")
    documents = write_corpus(root / "corpus.jsonl", 30)
    recipe = Recipe.parse(
        yaml.safe_dump(
            {
                "name": "test",
                "generations": 1,
                "corpus": {"source": str(documents), "min_sentences": 1, "held_out": 2},
                "teacher": {"model": teacher.uri},
                "generation": {
                    "samples": 4, "documents_per_batch": 2, "batches_in_flight": 2,
                    "max_new_tokens": 20, "target": 8, "budget": 24,
                },
                "filter": {"layers": _LAYERS},
                "student": {"epochs": 1, "batch_size": 8},
                "evaluation": {"resamples": 10},
            }
        )
    )  # fmt: skip
    index = root / "index"
    texts = [one.text for one in corpus.load(recipe.corpus)]
    build_index(texts, Path(teacher.uri) / "tokenizer.json", index)
    config = StackConfig(
        teacher=teacher,
        index_folder=index,
        runs_folder=root / "runs",
        models_folder=root / "models",
        logs_folder=root / "logs",
        threads=1,
    )
    with receiving() as receiver, pytest.MonkeyPatch.context() as patch:
        patch.setenv("STILLHOUSE_OTLP_ENDPOINT", receiver.endpoint)
        patch.setenv("STILLHOUSE_METRICS_LISTEN", "127.0.0.1:0")
        patch.setenv("OTEL_BSP_SCHEDULE_DELAY", "200")
        with running(config) as stack:
            trace, headers = asyncio.run(_run(stack, recipe))
            metrics = _metrics(root / "logs")
        yield Watched(trace, receiver, _logs(root / "logs"), metrics, headers)


async def _run(stack: Stack, recipe: Recipe) -> tuple[str, list[dict[str, str]]]:
    """The trace it was created in, and the headers of its verdicts, which end with it."""
    headers: list[dict[str, str]] = []

    async def note(message: Msg) -> None:
        headers.append(dict(message.headers or {}))

    client = await streams.connect(f"nats://127.0.0.1:{stack._broker_port}", "test")
    await client.subscribe(verdicts_subject(RUN), cb=note)
    async with AsyncTrainerClient(stack.targets["trainer"]) as trainer:
        with tracing.span("test") as context:
            await trainer.create_run(recipe.to_yaml(), RUN)
            async for run in trainer.watch_run(RUN):
                last = run
    await client.close()
    assert last.state is RunState.SUCCEEDED, last
    return context.trace_id, headers


def _logs(folder: Path) -> dict[str, list[dict[str, Any]]]:
    return {
        path.stem: [json.loads(one) for one in path.read_text().splitlines() if _is_entry(one)]
        for path in folder.glob("*.log")
    }


def _is_entry(line: str) -> bool:
    """Libraries print there too."""
    return line.startswith('{"time"')


def _metrics(folder: Path) -> dict[str, Samples]:
    time.sleep(6)  # the broker is asked every five seconds
    ports = {
        name: entry["port"]
        for name, entries in _logs(folder).items()
        for entry in entries
        if entry.get("message") == "metrics"
    }
    return {name: scrape(port) for name, port in ports.items()}


def test_one_trace_goes_from_the_callers_span_to_every_verdict(watched: Watched) -> None:
    assert len(watched.headers) >= 1
    for headers in watched.headers:
        context = tracing.TraceContext.parse(headers["traceparent"])
        assert context is not None
        assert context.trace_id == watched.trace


def test_its_spans_reach_the_collector_and_hang_together(watched: Watched) -> None:
    spans = [one for one in watched.receiver.spans if one.trace_id == watched.trace]
    assert {one.service for one in spans} == {
        f"stillhouse-{name}" for name in ("trainer", "generator", "filter", "index")
    }
    by_id = {one.span_id: one for one in spans}

    def above(span: Received) -> str:
        return by_id[span.parent_id].name if span.parent_id in by_id else ""

    named: dict[str, list[Received]] = {}
    for one in spans:
        named.setdefault(one.name, []).append(one)
    (create,) = named["stillhouse.trainer.v1.TrainerService/CreateRun"]
    assert above(create) == ""
    (run,) = named["run"]
    assert above(run) == create.name
    prompts, candidates = named["PROMPTS message"], named["CANDIDATES message"]
    assert len(prompts) == len(candidates) >= 1
    assert {above(one) for one in prompts} == {"run"}
    assert {above(one) for one in candidates} == {"PROMPTS message"}
    asked = named["stillhouse.index.v1.IndexService/MatchLengthsBatch"]
    assert "CANDIDATES message" in {above(one) for one in asked}
    scored = named["stillhouse.generator.v1.GeneratorService/Score"]
    assert "CANDIDATES message" in {above(one) for one in scored}


def test_lines_of_the_log_carry_run_batch_and_trace(watched: Watched) -> None:
    for service, message in (("generator-1", "batch generated"), ("filter", "batch judged")):
        entries = [one for one in watched.logs[service] if one["message"] == message]
        assert entries
        for entry in entries:
            assert entry["run"] == RUN
            assert entry["batch"].startswith(f"{RUN}.1.")
            assert entry["trace_id"] == watched.trace
    (ended,) = [one for one in watched.logs["trainer"] if one["message"] == "run ended"]
    assert (ended["run"], ended["trace_id"]) == (RUN, watched.trace)


def test_what_the_services_counted(watched: Watched) -> None:
    found = watched.metrics
    assert found.keys() == {"index", "critic", "filter", "trainer", "generator-1"}
    generator, judge, trainer = found["generator-1"], found["filter"], found["trainer"]
    judged = value(judge, "stillhouse_filter_candidates_total")
    assert value(generator, "stillhouse_generator_candidates_total") >= judged
    assert judged >= 8
    assert value(judge, "stillhouse_filter_layer_seen_total", layer="brevity") == judged
    passed = value(judge, "stillhouse_filter_layer_passed_total", layer="brevity")
    assert value(judge, "stillhouse_filter_layer_seen_total", layer="novelty") == passed
    assert value(judge, "stillhouse_filter_backend_seconds_count", backend="index") >= 1
    assert value(judge, "stillhouse_filter_backend_seconds_count", backend="critic") >= 1
    assert value(generator, "stillhouse_generator_tokens_total") > judged
    assert value(generator, "stillhouse_generator_model_info") == 1
    assert value(found["critic"], "stillhouse_generator_scored_tokens_total") > 0
    for samples, stream in ((generator, "PROMPTS"), (judge, "CANDIDATES")):
        labels = {"stream": stream, "outcome": "done"}
        assert value(samples, "stillhouse_messages_handled_total", **labels) >= 1
        assert value(samples, "stillhouse_message_seconds_count", stream=stream) >= 1
        assert value(samples, "stillhouse_messages_under_way", stream=stream) == 0
    assert value(trainer, "stillhouse_messages_published_total", queue="prompts") >= 1
    assert value(trainer, "stillhouse_runs_ended_total", state="succeeded") == 1
    assert value(trainer, "stillhouse_run_active") == 0
    assert value(trainer, "stillhouse_buffer_accepted") >= 1
    assert value(trainer, "stillhouse_buffer_target") == 8
    assert value(trainer, "stillhouse_broker_up") == 1
    assert value(trainer, "stillhouse_stream_limit_bytes", stream="VERDICTS") > 0
    assert any(name == "stillhouse_broker_storage_bytes" for name, _ in trainer)
    pending = {key for key in trainer if key[0] == "stillhouse_queue_pending_messages"}
    assert len(pending) == 2
    assert all(value(samples, "stillhouse_ready") == 1 for samples in found.values())
