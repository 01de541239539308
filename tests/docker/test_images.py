"""What the images hold and what they don't."""

from __future__ import annotations

import json

import pytest

from tests.support.containers import docker, image, inside

pytestmark = [pytest.mark.docker, pytest.mark.timeout(120)]

SERVICES = ("topology", "index", "filter", "gateway", "generator", "trainer")
_COMPILERS = "cc gcc g++ c++ clang ld make pip pip3"


@pytest.mark.parametrize("name", [*SERVICES, "cli"])
def test_no_compiler_no_pip_no_root(name: str) -> None:
    script = f"id -u; for tool in {_COMPILERS}; do command -v $tool; done; true"
    assert inside(name, script).split() == ["10001"]


@pytest.mark.parametrize("name", ["topology", "index", "filter", "gateway"])
def test_no_torch_where_nothing_learns(name: str) -> None:
    script = "from importlib.util import find_spec; print(find_spec('torch'), find_spec('pyarrow'))"
    assert inside(name, f'python -c "{script}"').strip() == "None None"


@pytest.mark.parametrize("name", SERVICES)
def test_the_process_itself_gets_the_signals(name: str) -> None:
    (config,) = json.loads(docker("inspect", image(name)).stdout)
    assert config["Config"]["Entrypoint"] == ["python", "-m", f"services.{name}"]
    assert config["Config"]["User"] == "10001:10001"
