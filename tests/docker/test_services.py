"""Each service's image, alone among those it needs."""

from __future__ import annotations

import json
import time
import urllib.request

import pytest
from testcontainers.core.container import DockerContainer
from testcontainers.core.network import Network

from stillhouse import IndexClient
from stillhouse.filter.client import FilterClient
from stillhouse.filter.types import Candidate, Cascade, Document, LayerConfig
from stillhouse.generator.client import GeneratorClient
from stillhouse.generator.types import Decoding, ModelPointer, Prompt
from stillhouse.trainer.client import TrainerClient
from tests.support.containers import MODEL, service, target
from tests.support.small_index import occurrences

pytestmark = [pytest.mark.docker, pytest.mark.timeout(240)]


def check(container: DockerContainer, *arguments: str) -> int | None:
    """The exit code of the image's own health check."""
    return container.exec(["python", "-m", "services.runtime.healthcheck", *arguments]).exit_code


def wait_ready(container: DockerContainer, *arguments: str) -> None:
    for _ in range(120):
        if check(container, *arguments) == 0:
            return
        time.sleep(0.5)
    raise AssertionError(container.get_logs())


def test_index_counts(index: DockerContainer) -> None:
    wait_ready(index)
    with IndexClient(target(index)) as client:
        assert client.count("the still runs").count == occurrences("the still runs")


def test_critic_is_frozen_and_says_so(critic: DockerContainer, teacher: ModelPointer) -> None:
    wait_ready(critic)
    with GeneratorClient(target(critic)) as client:
        description = client.describe()
    assert description.pointer.digest == teacher.digest
    assert description.load_refused


def test_generator_loads_and_writes(generator: DockerContainer, teacher: ModelPointer) -> None:
    wait_ready(generator)
    decoding = Decoding(samples=2, max_new_tokens=8, temperature=1.0, top_p=1.0, seed=1)
    with GeneratorClient(target(generator)) as client:
        client.load_model(ModelPointer(MODEL, teacher.digest))
        ((_, samples),) = client.generate([Prompt("one", "a text")], decoding)
    assert len(samples) == 2


def test_filter_asks_index_and_critic(judge: DockerContainer) -> None:
    wait_ready(judge)
    cascade = Cascade(layers=(LayerConfig("novelty"), LayerConfig("faithfulness")), score_all=True)
    with FilterClient(target(judge)) as client:
        result = client.evaluate(
            cascade,
            [Document("d", "the still runs hot and the still runs long")],
            [Candidate("c", "d", 0, "the still runs")],
        )
    assert {"novelty.run", "faithfulness.pmi"} <= set(result.verdicts[0].scores)


def test_trainer_lists_no_runs(trainer: DockerContainer) -> None:
    wait_ready(trainer)
    with TrainerClient(target(trainer)) as client:
        assert list(client.list_runs()) == []


def test_gateway_answers_over_http(gateway: DockerContainer, index: DockerContainer) -> None:
    wait_ready(index)
    wait_ready(gateway, "http://127.0.0.1:50051/health/ready")
    with urllib.request.urlopen(f"http://{target(gateway)}/health/ready", timeout=10) as answer:
        assert json.load(answer)["indexes"] == ["corpus"]


def test_drift_of_a_stream_ends_the_bootstrap(network: Network, streams: None) -> None:
    with service("topology", network, NATS_URL="nats://nats:4222", ACK_WAIT="7") as other:
        assert other.wait() == 2
        assert b"ack_wait" in other.get_logs()[1]


def test_sigterm_ends_a_service_in_order(network: Network) -> None:
    """Not by SIGKILL, which would be 137."""
    with service("gateway", network, "leaving", INDEX_TARGET="index:50051") as one:
        for _ in range(100):
            if check(one, "http://127.0.0.1:50051/health/live") == 0:
                break
            time.sleep(0.2)
        one.get_wrapped_container().stop(timeout=30)
        assert one.wait() == 0
