"""What the tests of the images share: an engine, and every service in a container of its own.

`make docker-test` builds the images first and starts an engine where none runs; without
either these tests fail, they are never skipped.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from testcontainers.core.container import DockerContainer
from testcontainers.core.network import Network
from testcontainers.core.wait_strategies import LogMessageWaitStrategy

from stillhouse.generator.types import ModelPointer
from tests.support.containers import BROKER, MODEL, PORT, readable, service
from tests.support.small_index import make_text_index
from tests.support.tiny_model import make_tiny_model

# The watchdog that removes what an interrupted test leaves is an image of its own.
os.environ.setdefault("TESTCONTAINERS_RYUK_DISABLED", "true")


@pytest.fixture(scope="session")
def shared() -> Iterator[Path]:
    """A folder that the user of the images can read; pytest's own are closed to others."""
    with tempfile.TemporaryDirectory(prefix="stillhouse-docker-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture(scope="session")
def teacher(shared: Path) -> ModelPointer:
    pointer = make_tiny_model(shared / "teacher")
    readable(shared)
    return pointer


@pytest.fixture(scope="session")
def network() -> Iterator[Network]:
    with Network() as one:
        yield one


@pytest.fixture(scope="session")
def nats(network: Network) -> Iterator[DockerContainer]:
    container = DockerContainer(BROKER).with_command("--jetstream --store_dir /tmp/jetstream")
    container.with_network(network).with_network_aliases("nats").with_exposed_ports(4222)
    with container.waiting_for(LogMessageWaitStrategy("Server is ready")) as one:
        yield one


@pytest.fixture(scope="session")
def streams(network: Network, nats: DockerContainer) -> None:
    """The streams, as the image of the bootstrap step makes them."""
    with service("topology", network, NATS_URL="nats://nats:4222") as made:
        assert made.wait() == 0, made.get_logs()


@pytest.fixture(scope="session")
def index(network: Network, shared: Path) -> Iterator[DockerContainer]:
    (shared / "indexes").mkdir()
    folder = make_text_index(shared / "indexes" / "corpus")
    container = service("index", network, INDEXES="corpus=/data/indexes/corpus")
    with container.with_volume_mapping(folder.parent, "/data/indexes") as one:
        yield one


@pytest.fixture(scope="session")
def critic(network: Network, teacher: ModelPointer) -> Iterator[DockerContainer]:
    container = service(
        "generator", network, "critic", ROLE="critic", MODEL_URI=MODEL, MODEL_DIGEST=teacher.digest
    )
    with container.with_volume_mapping(teacher.uri, MODEL) as one:
        yield one


@pytest.fixture(scope="session")
def generator(network: Network, streams: None, teacher: ModelPointer) -> Iterator[DockerContainer]:
    container = service("generator", network, NATS_URL="nats://nats:4222")
    with container.with_volume_mapping(teacher.uri, MODEL) as one:
        yield one


@pytest.fixture(scope="session")
def judge(
    network: Network, streams: None, index: DockerContainer, critic: DockerContainer
) -> Iterator[DockerContainer]:
    with service(
        "filter",
        network,
        NATS_URL="nats://nats:4222",
        INDEX_TARGET=f"index:{PORT}",
        CRITIC_TARGET=f"critic:{PORT}",
    ) as one:
        yield one


@pytest.fixture(scope="session")
def trainer(
    network: Network, generator: DockerContainer, judge: DockerContainer
) -> Iterator[DockerContainer]:
    with service(
        "trainer",
        network,
        NATS_URL="nats://nats:4222",
        GENERATOR_TARGET=f"generator:{PORT}",
        FILTER_TARGET=f"filter:{PORT}",
        RUNS_DIR="/tmp/runs",
        MODELS_DIR="/tmp/models",
    ) as one:
        yield one


@pytest.fixture(scope="session")
def gateway(network: Network, index: DockerContainer) -> Iterator[DockerContainer]:
    with service("gateway", network, INDEX_TARGET=f"index:{PORT}") as one:
        yield one
