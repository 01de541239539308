"""The topology on three brokers: what is stored survives the loss of any one of them."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from nats.js.errors import APIError, ServiceUnavailableError

from services import topology
from services.runtime import streams
from services.runtime.streams import Publisher
from stillhouse.errors import FailedPrecondition
from stillhouse.local.stack import broker_binary, free_ports


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[dict[str, subprocess.Popen[bytes]]]:
    """Three brokers by their addresses."""
    ports = free_ports(6)
    routes = ",".join(f"nats://127.0.0.1:{port}" for port in ports[3:])
    brokers = {}
    for number, (port, route) in enumerate(zip(ports[:3], ports[3:], strict=True)):
        command = [
            broker_binary(), "--addr", "127.0.0.1", "--port", str(port), "--jetstream",
            "--store_dir", str(tmp_path / str(number)), "--name", f"broker-{number}",
            "--cluster_name", "three", "--cluster", f"nats://127.0.0.1:{route}",
            "--routes", routes,
        ]  # fmt: skip
        brokers[f"nats://127.0.0.1:{port}"] = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
    yield brokers
    for one in brokers.values():
        one.kill()
        one.wait()


async def test_streams_stand_on_three_brokers(
    cluster: dict[str, subprocess.Popen[bytes]],
) -> None:
    first, *others = cluster
    client = await streams.connect(others[0], "test", patience=30)
    js = client.jetstream()
    for _ in range(100):  # until they have chosen a leader
        try:
            await topology.ensure(js, ack_wait=5.0, replicas=3)
            break
        except (APIError, ServiceUnavailableError, TimeoutError):
            await asyncio.sleep(0.3)
    await topology.ensure(js, ack_wait=5.0, replicas=3)
    for name in ("PROMPTS", "CANDIDATES", "VERDICTS", "DEAD", "KV_models"):
        assert (await js.stream_info(name)).config.num_replicas == 3
    with pytest.raises(FailedPrecondition, match=r"stream PROMPTS.*num_replicas = 3.*needs 1"):
        await topology.ensure(js, ack_wait=5.0)

    publisher = Publisher(js)
    await publisher.publish("prompts.run", b"before" * 1000, "before")
    async with asyncio.timeout(30):  # the account counts what each broker holds
        while (await js.account_info()).storage < 3 * 6000:
            await asyncio.sleep(0.1)
    cluster[first].kill()
    await publisher.publish("prompts.run", b"after", "after")
    assert (await js.stream_info("PROMPTS")).state.messages == 2
    await client.close()
