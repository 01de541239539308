"""Containers of the built images: by testcontainers one at a time, or all by Compose."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from testcontainers.core.container import DockerContainer
from testcontainers.core.network import Network

ROOT = Path(__file__).parents[2]
REGISTRY = os.environ.get("STILLHOUSE_REGISTRY", "stillhouse")
TAG = os.environ.get("STILLHOUSE_TAG", "0.1.0")
BROKER = os.environ.get("NATS_IMAGE", f"{REGISTRY}/broker:{TAG}")
PORT = 50051
MODEL = "/data/models/tiny"  # where containers see the tiny model


def image(name: str) -> str:
    """The reference of a service's image."""
    return f"{REGISTRY}/{name}:{TAG}"


def docker(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run the docker command; its output as text."""
    return subprocess.run(
        ["docker", *arguments], check=check, capture_output=True, text=True, timeout=120
    )


def inside(name: str, script: str) -> str:
    """What a shell script prints in a container of an image, as deployments run it."""
    return docker(
        "run", "--rm", "--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL",
        "--entrypoint", "sh", image(name), "-c", script,
    ).stdout  # fmt: skip


def service(name: str, network: Network, alias: str = "", **environment: str) -> DockerContainer:
    """A service that is not started yet; variables are given without their prefix."""
    container = DockerContainer(image(name))
    container.with_kwargs(read_only=True, cap_drop=["ALL"]).with_tmpfs_mount("/tmp")
    container.with_network(network).with_network_aliases(alias or name)
    container.with_exposed_ports(PORT).with_env("OMP_NUM_THREADS", "1")
    for key, value in ({"LISTEN": f"0.0.0.0:{PORT}"} | environment).items():
        container.with_env(f"STILLHOUSE_{key}", value)
    return container


def target(container: DockerContainer) -> str:
    """Where a started service answers on this machine."""
    return f"127.0.0.1:{container.get_exposed_port(PORT)}"


def readable(folder: Path) -> None:
    """Let the user of the images read it: weights are written for their owner alone."""
    for one in folder.rglob("*"):
        one.chmod(one.stat().st_mode | (0o055 if one.is_dir() else 0o044))


class Compose:
    """compose.yaml as a project of its own."""

    def __init__(self, project: str, environment: Mapping[str, str]) -> None:
        has_plugin = docker("compose", "version", check=False).returncode == 0
        self._command = ["docker", "compose"] if has_plugin else [_old_compose()]
        self._command += ["--project-name", project]
        self._project = project
        self._environment = {**os.environ, "NATS_IMAGE": BROKER, **environment}

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Begin a subcommand; its two outputs come as one."""
        return subprocess.Popen(
            [*self._command, *arguments],
            cwd=ROOT,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def __call__(self, *arguments: str) -> str:
        """Run a subcommand to its end; its output."""
        process = self.start(*arguments)
        output, _ = process.communicate(timeout=300)
        assert process.returncode == 0, output
        return output

    def containers(self, name: str) -> list[str]:
        """Ids of a service's containers, stopped ones too."""
        wanted = {"project": self._project, "service": name, "oneoff": "False"}
        filters = [f"--filter=label=com.docker.compose.{key}={one}" for key, one in wanted.items()]
        return docker("ps", "--all", "--quiet", *filters).stdout.split()


def _old_compose() -> str:
    found = shutil.which("docker-compose")
    assert found, "neither `docker compose` nor docker-compose is installed"
    return found
