from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from nats.js import JetStreamContext

from services.runtime import streams
from tests.support.broker import Broker


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    one = Broker(tmp_path / "jetstream")
    one.start()
    yield one
    one.kill()


@pytest.fixture
async def js(broker: Broker) -> AsyncIterator[JetStreamContext]:
    client = await streams.connect(broker.url, "test")
    yield client.jetstream()
    await client.close()
