"""`python -m services.index --processes N`."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import psutil
import pytest

from stillhouse.errors import FailedPrecondition
from stillhouse.index.client import IndexClient
from tests.support.service_process import started
from tests.support.small_index import make_text_index


@pytest.mark.parametrize("ending", ["sigterm", "a child dies"])
def test_processes_share_a_port_and_end_together(tmp_path: Path, ending: str) -> None:
    folder = make_text_index(tmp_path / "words")
    with started(
        "services.index", "--processes", "2", INDEXES=f"words={folder}", INDEX_ROOT=str(tmp_path)
    ) as service:
        for _ in range(2):
            service.wait_for("index ready")
        with IndexClient(service.target) as client:
            assert client.count("the").count == 5
            with pytest.raises(FailedPrecondition, match="one process"):
                client.load_index("other", "words")
        children = psutil.Process(service.process.pid).children()
        assert len(children) == 2
        if ending == "sigterm":
            service.process.send_signal(signal.SIGTERM)
            assert service.process.wait(20) == 0
        else:
            os.kill(children[0].pid, signal.SIGKILL)
            assert service.process.wait(20) == signal.SIGKILL
        assert not any(child.is_running() for child in children)
