"""scripts/with-engine.sh leaves no engine behind that it brought, with stand-ins for the tools."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "scripts" / "with-engine.sh"
_TOOLS = ("sh", "cat", "mktemp", "rm", "seq", "sleep", "touch")
_UP = 'touch "$HOME/up"'
_ENGINE = f"""{_UP}
trap 'rm "$HOME/up"; exit 0' TERM
while :; do sleep 0.05; done"""


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in _TOOLS:
        found = shutil.which(name)
        assert found
        (folder / name).symlink_to(found)
    tool(folder, "docker", 'cat "$HOME/up"')
    tool(folder, "id", "echo 0")
    tool(folder, "service", '[ "$*" = "docker stop" ] && rm "$HOME/up"')
    return folder


def tool(folder: Path, name: str, does: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{does}\n")
    (folder / name).chmod(0o755)


def run(tools: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [tools / "sh", SCRIPT, *command],
        env={"PATH": str(tools), "HOME": str(tools.parent)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_an_engine_that_is_there_stays(tools: Path) -> None:
    (tools.parent / "up").touch()
    assert run(tools, "docker").returncode == 0
    assert (tools.parent / "up").exists()


@pytest.mark.parametrize("code", [0, 3])
def test_an_engine_that_the_installation_started_is_stopped(tools: Path, code: int) -> None:
    tool(tools, "apt-get", f'[ "$1" = update ] || {_UP}')
    assert run(tools, "sh", "-c", f"docker && exit {code}").returncode == code
    assert not (tools.parent / "up").exists()


@pytest.mark.parametrize("code", [0, 3])
def test_an_engine_that_was_started_is_stopped(tools: Path, code: int) -> None:
    tool(tools, "docker-compose", ":")
    tool(tools, "dockerd", _ENGINE)
    assert run(tools, "sh", "-c", f"docker && exit {code}").returncode == code
    assert not (tools.parent / "up").exists()
