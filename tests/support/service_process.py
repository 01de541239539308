"""A service as the process that a deployment runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class ServiceProcess:
    """The process and where it listens."""

    process: subprocess.Popen[str]
    target: str
    metrics_port: int = 0

    def wait_for(self, message: str) -> dict[str, Any]:
        """The first line the service logs from now on whose message begins with this."""
        return _entry(self.process, message)

    def cpu_seconds(self) -> float:
        """Seconds of processor time it has used."""
        stat = Path(f"/proc/{self.process.pid}/stat").read_text()
        user, system = stat.rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


@contextmanager
def started(module: str, *arguments: str, **environment: str) -> Iterator[ServiceProcess]:
    """Run `python -m module` on a free port; killed at the end if it still runs.

    With METRICS_LISTEN, its metrics are at `metrics_port`.
    """
    process = launch(module, *arguments, **environment)
    try:
        metrics = _entry(process, "metrics")["port"] if "METRICS_LISTEN" in environment else 0
        yield ServiceProcess(process, f"127.0.0.1:{_entry(process, 'listening')['port']}", metrics)
    finally:
        process.kill()
        process.communicate()


def launch(module: str, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    """Start `python -m module`; variables are given without their prefix."""
    named = {f"STILLHOUSE_{name}": value for name, value in environment.items()}
    return subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        env=os.environ | {"STILLHOUSE_LISTEN": "127.0.0.1:0"} | named,
        stderr=subprocess.PIPE,
        text=True,
    )


def _entry(process: subprocess.Popen[str], message: str) -> dict[str, Any]:
    assert process.stderr is not None
    for line in process.stderr:
        entry: dict[str, Any] = json.loads(line)
        if entry["message"].startswith(message):
            return entry
    raise AssertionError(f"the service ended before it said {message!r}")
