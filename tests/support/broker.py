"""A real nats-server with JetStream on a free port, its store in a folder of the test."""

from __future__ import annotations

import socket
import subprocess
import time
from pathlib import Path

from stillhouse.local.stack import broker_binary, free_ports


class Broker:
    """Starts, kills and starts again on the same port and store."""

    def __init__(self, store: Path) -> None:
        self._store = store
        self.port = free_ports(1)[0]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"nats://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it; returns when it accepts connections."""
        command = [broker_binary(), "--addr", "127.0.0.1", "--port", str(self.port)]
        command += ["--jetstream", "--store_dir", str(self._store)]
        self._process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        end = time.monotonic() + 20
        while True:
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=0.5):
                    return
            except OSError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.05)

    def kill(self) -> None:
        """SIGKILL, as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
