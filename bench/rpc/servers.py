"""Servers as processes of their own: started, waited for, watched, ended."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from stillhouse.local.stack import free_ports

PEER_SERVER = Path(__file__).with_name("peer_server.py")


@dataclass(frozen=True, slots=True)
class Server:
    """Where a server listens, and its process with those it started."""

    target: str
    process: psutil.Process

    @property
    def processes(self) -> list[psutil.Process]:
        """The processes that answer."""
        return self.process.children() or [self.process]

    def cpu_seconds(self) -> float:
        """Processor time that they have used."""
        times = [one.cpu_times() for one in self.processes]
        return float(sum(one.user + one.system for one in times))

    def resident(self) -> int:
        """Their resident memory in bytes; what they share counts in each."""
        return int(sum(one.memory_info().rss for one in self.processes))

    def proportional(self) -> int:
        """Their memory in bytes; what several processes share counts once in all."""
        return int(sum(one.memory_full_info().pss for one in self.processes))


@contextmanager
def empty() -> Iterator[Server]:
    """Count answered without work."""
    target = _target()
    with _started([sys.executable, "-m", "bench.rpc.empty_server", target], target) as server:
        yield server


@contextmanager
def index(folder: Path, processes: int = 1, preload: bool = True) -> Iterator[Server]:
    """The service, with one index."""
    target = _target()
    command = [sys.executable, "-m", "services.index", "--processes", str(processes)]
    settings = {
        "STILLHOUSE_INDEXES": f"bench={folder}",
        "STILLHOUSE_LISTEN": target,
        "STILLHOUSE_LOG_LEVEL": "ERROR",
        "STILLHOUSE_PRELOAD": str(preload),
    }
    with _started(command, target, settings) as server:
        yield server


@contextmanager
def critic(model: Path, threads: int) -> Iterator[Server]:
    """The generator service with a frozen model."""
    target = _target()
    settings = {
        "STILLHOUSE_ROLE": "critic",
        "STILLHOUSE_MODEL_URI": str(model),
        "STILLHOUSE_THREADS": str(threads),
        "STILLHOUSE_LISTEN": target,
        "STILLHOUSE_LOG_LEVEL": "ERROR",
    }
    with _started([sys.executable, "-m", "services.generator"], target, settings) as server:
        yield server


@contextmanager
def judge(critic_target: str, index_target: str) -> Iterator[Server]:
    """The filter service, for calls alone."""
    target = _target()
    settings = {
        "STILLHOUSE_CRITIC_TARGET": critic_target,
        "STILLHOUSE_INDEX_TARGET": index_target,
        "STILLHOUSE_QUEUE": "false",
        "STILLHOUSE_LISTEN": target,
        "STILLHOUSE_LOG_LEVEL": "ERROR",
    }
    with _started([sys.executable, "-m", "services.filter"], target, settings) as server:
        yield server


@contextmanager
def peer(python: Path, folder: Path, kind: str) -> Iterator[Server]:
    """infini-gram's engine behind Flask's own server; `kind` forks, as its authors, or threads."""
    target = _target()
    command = [str(python), str(PEER_SERVER), "serve", str(folder), target, kind]
    with _started(command, target) as server:
        yield server


def build_peer(python: Path, tokens: Path, offsets: Path, folder: Path) -> None:
    """Write the peer's index of the same tokens."""
    files = [str(one) for one in (tokens, offsets, folder)]
    subprocess.run([str(python), str(PEER_SERVER), "build", *files], check=True)


def _target() -> str:
    return f"127.0.0.1:{free_ports(1)[0]}"


@contextmanager
def _started(
    command: Sequence[str], target: str, settings: dict[str, str] | None = None
) -> Iterator[Server]:
    process = subprocess.Popen(command, env=os.environ | (settings or {}))
    try:
        _wait(target, process)
        time.sleep(2)  # until the index is loaded
        yield Server(target, psutil.Process(process.pid))
    finally:
        process.terminate()
        process.wait()


def _wait(target: str, process: subprocess.Popen[bytes]) -> None:
    host, _, port = target.rpartition(":")
    end = time.monotonic() + 60
    while time.monotonic() < end and process.poll() is None:
        try:
            socket.create_connection((host, int(port)), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise SystemExit(f"no server came up: {process.args!r}")
