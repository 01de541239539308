"""A service as the process that a deployment runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ServiceProcess:
    """The process and where it listens."""

    process: subprocess.Popen[str]
    target: str


@contextmanager
def started(module: str, **environment: str) -> Iterator[ServiceProcess]:
    """Run `python -m module` on a free port; killed at the end if it still runs."""
    process = launch(module, **environment)
    try:
        yield ServiceProcess(process, f"127.0.0.1:{_port(process)}")
    finally:
        process.kill()
        process.communicate()


def launch(module: str, **environment: str) -> subprocess.Popen[str]:
    """Start `python -m module`; variables are given without their prefix."""
    named = {f"STILLHOUSE_{name}": value for name, value in environment.items()}
    return subprocess.Popen(
        [sys.executable, "-m", module],
        env=os.environ | {"STILLHOUSE_LISTEN": "127.0.0.1:0"} | named,
        stderr=subprocess.PIPE,
        text=True,
    )


def _port(process: subprocess.Popen[str]) -> int:
    assert process.stderr is not None
    for line in process.stderr:
        entry = json.loads(line)
        if entry["message"] == "listening":
            return int(entry["port"])
    raise AssertionError("the service ended before it listened")
