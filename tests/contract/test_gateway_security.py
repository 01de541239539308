"""The gateway behind TLS and tokens, and what it shows to an index that wants them too."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.support.gateway import make_byte_level_index, wait_until_ready
from tests.support.papers import Papers, make_papers
from tests.support.service_process import launch, started

QUERY = {"index": "corpus", "query_type": "count", "query": "natural language"}


@pytest.fixture(scope="module")
def papers(tmp_path_factory: pytest.TempPathFactory) -> Papers:
    return make_papers(tmp_path_factory.mktemp("papers"))


@pytest.fixture(scope="module")
def index(papers: Papers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An index that takes only callers with a certificate and a token."""
    folder = make_byte_level_index(tmp_path_factory.mktemp("secured") / "corpus")
    with started(
        "services.index",
        INDEXES=f"corpus={folder}",
        TLS_CERTIFICATE=str(papers.certificate),
        TLS_KEY=str(papers.key),
        TLS_CLIENT_CA=str(papers.ca),
        TOKENS="between",
    ) as service:
        yield f"localhost:{service.target.rpartition(':')[2]}"


def peers(papers: Papers) -> dict[str, str]:
    return {
        "PEERS_CA": str(papers.ca),
        "PEERS_CERTIFICATE": str(papers.caller),
        "PEERS_KEY": str(papers.caller_key),
        "PEERS_TOKEN": "between",
    }


@pytest.fixture(scope="module")
def address(papers: Papers, index: str) -> Iterator[str]:
    with started(
        "services.gateway",
        INDEX_TARGET=index,
        TLS_CERTIFICATE=str(papers.certificate),
        TLS_KEY=str(papers.key),
        TOKENS="first,second",
        **peers(papers),
    ) as service:
        yield f"https://localhost:{service.target.rpartition(':')[2]}"


def client(address: str, papers: Papers, token: str = "") -> httpx2.Client:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    context = ssl.create_default_context(cafile=str(papers.ca))
    return httpx2.Client(base_url=address, verify=context, headers=headers, trust_env=False)


@pytest.mark.parametrize("token", ["first", "second"])
def test_a_token_is_answered_over_tls(address: str, papers: Papers, token: str) -> None:
    with client(address, papers, token) as one:
        wait_until_ready(one)
        assert one.post("/", json=QUERY).json()["count"] == 5
        assert one.get("/", params={"q": "birds"}).status_code == 200


@pytest.mark.parametrize("token", ["", "third", "firs", "first second"])
@pytest.mark.parametrize("path", ["/", "/v1/count", "/docs", "/static/style.css"])
def test_others_are_refused(address: str, papers: Papers, path: str, token: str) -> None:
    with client(address, papers, token) as one:
        answer = one.post(path, json=QUERY) if path in ("/", "/v1/count") else one.get(path)
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert "Authorization: Bearer" in answer.json()["error"]["message"]


def test_health_needs_no_token(address: str, papers: Papers) -> None:
    with client(address, papers) as one:
        assert one.get("/health/live").status_code == 200
        wait_until_ready(one)


def test_a_wrong_token_towards_the_index_is_no_fault_of_the_caller(
    papers: Papers, index: str
) -> None:
    settings = {**peers(papers), "PEERS_TOKEN": "old"}
    with (
        started("services.gateway", INDEX_TARGET=index, **settings) as service,
        httpx2.Client(base_url=f"http://{service.target}", trust_env=False) as one,
    ):
        answer = one.post("/v1/count", json={"index": "corpus", "query": "birds"})
        assert answer.status_code == 502, answer.text
        assert answer.json()["error"]["code"] == "UNAUTHENTICATED"


def test_tokens_in_plain_text_and_wrong_files_are_refused_at_the_start(
    papers: Papers, tmp_path: Path
) -> None:
    wrong = tmp_path / "wrong.pem"
    wrong.write_text("nothing")
    for settings, variable in (
        ({"LISTEN": "0.0.0.0:0", "TOKENS": "one"}, "STILLHOUSE_TOKENS"),
        ({"TLS_CERTIFICATE": str(papers.certificate)}, "STILLHOUSE_TLS_KEY"),
        (
            {"TLS_CERTIFICATE": str(wrong), "TLS_KEY": str(papers.key)},
            "STILLHOUSE_TLS_CERTIFICATE",
        ),
    ):
        with launch("services.gateway", **settings) as process:
            try:
                _, stderr = process.communicate(timeout=60)
            finally:
                process.kill()
        assert process.returncode != 0
        assert variable in stderr
