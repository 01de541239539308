"""A corpus like infini-gram's examples, cut as GPT-2 cuts, behind an index and a gateway."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from services.index.build import build_index
from tests.support.service_process import ServiceProcess, started

DOCUMENTS = (
    "She studied natural language processing and deep learning at the University of Washington.",
    "The field of natural language processing grew out of artificial intelligence. Deep ideas.",
    "For natural language understanding, machine learning came later than natural language rules.",
    "They say machine learning is artificial intelligence with natural language processing.",
    "<script>alert('natural language')</script> & \"quotes\" stand in documents too.",
    *(f"Filler number {n} tells of birds and of oil, and of natural things." for n in range(25)),
)
IDS = tuple(f"doc/{n}" for n in range(len(DOCUMENTS)))


def make_byte_level_index(folder: Path) -> Path:
    """An index of DOCUMENTS; a space belongs to the word behind it."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=1000, initial_alphabet=alphabet, show_progress=False, min_frequency=1
    )
    tokenizer.train_from_iterator(DOCUMENTS, trainer)
    path = folder.with_name("byte-level.json")
    tokenizer.save(str(path))
    build_index(DOCUMENTS, path, folder, ids=list(IDS))
    return folder


@contextmanager
def index_service(**settings: str) -> Iterator[str]:
    """A real index service; gives its target."""
    with started("services.index", **settings) as service:
        yield service.target


@contextmanager
def gateway(target: str, *, wait: bool = True, **settings: str) -> Iterator[httpx2.Client]:
    """A real gateway in front of it; gives a client of it."""
    with gateway_process(target, **settings) as (_, client):
        if wait:
            wait_until_ready(client)
        yield client


@contextmanager
def gateway_process(target: str, **settings: str) -> Iterator[tuple[ServiceProcess, httpx2.Client]]:
    """The gateway's process and a client of it; it may not be ready yet."""
    with (
        started("services.gateway", INDEX_TARGET=target, **settings) as service,
        httpx2.Client(base_url=f"http://{service.target}", timeout=60, trust_env=False) as client,
    ):
        yield service, client


def wait_until_ready(client: httpx2.Client) -> None:
    """Return once every index answers."""
    end = time.monotonic() + 30
    while client.get("/health/ready").status_code != 200:
        assert time.monotonic() < end
        time.sleep(0.02)


def asked(client: httpx2.Client, **fields: Any) -> dict[str, Any]:
    """What infini-gram's API answers to a call; it is no error."""
    response = client.post("/", json={"index": "corpus", **fields})
    answer: dict[str, Any] = response.json()
    assert response.status_code == 200, answer
    assert "error" not in answer, answer
    return answer
