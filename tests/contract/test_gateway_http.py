"""Every status the gateway promises, its limits and its own JSON, over a real socket."""

from __future__ import annotations

import json
import math
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stillhouse.index.client import IndexClient
from tests.support.gateway import gateway, index_service, make_byte_level_index, wait_until_ready
from tests.support.service_process import launch, started
from tests.support.small_index import make_ids_index

LIMIT = 20_000
NOWHERE = "127.0.0.1:1"


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    root = tmp_path_factory.mktemp("gateway")
    corpus, ids = make_byte_level_index(root / "corpus"), make_ids_index(root / "ids")
    with index_service(
        INDEXES=f"corpus={corpus},ids={ids}", THREADS="1", ADMISSION="*=256,Attribute=1"
    ) as found:
        yield found


@pytest.fixture(scope="module")
def client(target: str) -> Iterator[httpx2.Client]:
    with gateway(
        target, MAX_REQUEST_BYTES=str(LIMIT), CORS_ORIGINS="https://page.example"
    ) as opened:
        yield opened


@pytest.fixture(scope="module")
def index(target: str) -> Iterator[IndexClient]:
    with IndexClient(target) as opened:
        yield opened


def post(client: httpx2.Client, path: str, **fields: Any) -> httpx2.Response:
    return client.post(f"/v1/{path}", json={"index": "corpus", **fields})


def error(response: httpx2.Response) -> dict[str, str]:
    found: dict[str, str] = response.json()["error"]
    return found


# OK


def test_every_endpoint_says_what_the_client_says(  # noqa: PLR0915
    client: httpx2.Client, index: IndexClient
) -> None:
    text, other, cnf = " natural language", " birds and", [[" birds"], [" oil", " natural"]]
    ids = list(index.tokenize(text, "corpus").ids)
    rank = index.find(text, "corpus").segments[0][0]
    position = int(index.find_cnf(cnf, "corpus").positions[0])

    def ask(path: str, **fields: Any) -> dict[str, Any]:
        response = post(client, path, **fields)
        answer: dict[str, Any] = response.json()
        assert response.status_code == 200, answer
        return answer

    assert ask("count", query=text)["count"] == index.count(text, "corpus").count
    assert ask("count", query=ids)["ids"] == ids
    both = [text, other]
    assert ask("count_batch", queries=both)["counts"] == [*index.count_batch(both, "corpus")]
    assert ask("find", query=text)["segments"] == [
        list(one) for one in index.find(text, "corpus").segments
    ]
    assert [one["count"] for one in ask("find_batch", queries=both)["results"]] == [
        one.count for one in index.find_batch(both, "corpus")
    ]
    for path in ("prob", "infgram_prob"):
        found = getattr(index, path)(text, "corpus")
        assert ask(path, query=text)["probability"] == found.probability
        assert ask(f"{path}_batch", queries=[text])["results"][0]["count"] == found.count
        end = getattr(index, path)(text, "corpus", end=True)
        assert ask(path, query=text, end=True)["probability"] == end.probability
    for path in ("ntd", "infgram_ntd"):
        found = getattr(index, path)(text, "corpus", pieces=True)
        answer = ask(path, query=text)
        assert answer["next_ids"] == found.tokens.tolist()
        assert answer["next_pieces"] == list(found.pieces)
        assert answer["counts"] == found.counts.tolist()
        assert ask(f"{path}_batch", queries=[text], top=1)["results"][0]["counts"] == [
            int(found.counts.max())
        ]
    score = index.score(text, "corpus").probabilities.tolist()
    assert ask("score", query=text)["probabilities"] == score
    assert ask("score_batch", queries=both)["results"][0]["probabilities"] == score
    lengths = index.match_lengths(text, "corpus").lengths.tolist()
    assert ask("match_lengths", query=text)["lengths"] == lengths
    assert ask("match_lengths_batch", queries=both)["results"][0]["lengths"] == lengths
    count = index.count_cnf(cnf, "corpus")
    assert count > 0
    assert ask("count_cnf", cnf=cnf)["count"] == count
    assert ask("count_cnf_batch", cnfs=[cnf])["counts"] == [count]
    assert ask("find_cnf", cnf=cnf, limit=1)["positions"] == [position]
    assert ask("find_cnf_batch", cnfs=[cnf], limit=1)["results"][0]["positions"] == [position]
    spans = index.attribute(text, "corpus").spans
    answer = ask("attribute", query=text)
    assert [one["end_character"] for one in answer["spans"]] == [one.end_character for one in spans]
    assert ask("attribute_batch", queries=[text])["results"][0]["spans"] == answer["spans"]
    drawn = [one.id for one in index.search_docs(text, "corpus", limit=2, seed=7).documents]
    answer = ask("search_docs", query=text, limit=2, seed=7)
    assert [one["id"] for one in answer["documents"]] == drawn
    answer = ask("search_docs_batch", queries=[text], limit=2, seed=7)
    assert [one["id"] for one in answer["results"][0]["documents"]] == drawn
    one = ask("doc_by_rank", rank=rank, match_length=len(ids))["document"]
    assert one["match"] == text
    assert ask("doc_by_rank_batch", ranks=[rank], match_length=len(ids))["documents"] == [one]
    one = ask("doc_by_position", position=position, context=3)["document"]
    assert one["offset"] == index.doc_by_position(position, "corpus").offset
    assert ask("doc_by_position_batch", positions=[position], context=3)["documents"] == [one]
    assert ask("tokenize", text=text)["ids"] == ids
    assert ask("tokenize_batch", texts=both)["results"][0]["ids"] == ids
    assert ask("detokenize", ids=ids)["text"] == text
    assert ask("detokenize_batch", sequences=[ids, []])["results"][0]["text"] == text


def test_every_call_of_the_client_has_an_endpoint(client: httpx2.Client) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    calls = {name for name in vars(IndexClient) if not name.startswith("_")}
    calls -= {"load_index", "unload_index", "set_alias"}  # administration
    calls -= {"score_text", "decode", "session", "list_indexes"}  # streams; GET /v1/indexes
    assert {f"/v1/{name}" for name in calls} | {"/v1/indexes"} == {
        path for path in paths if path.startswith("/v1/")
    }


def test_hits_are_listed_page_by_page(client: httpx2.Client, index: IndexClient) -> None:
    wanted = [one.id for page in index.list_hits(" birds", index="corpus") for one in page.hits]
    seen: list[str] = []
    token = ""
    while True:
        page = post(client, "list_hits", query=" birds", page_size=7, page_token=token).json()
        seen += [one["id"] for one in page["hits"]]
        token = page["next_page_token"]
        assert page["count"] == len(wanted)
        if not token:
            break
    assert seen == wanted
    other = post(client, "list_hits", cnf=[[" birds"], [" oil"]], page_size=3).json()
    assert len(other["hits"]) == 3


def test_work_is_told_in_milliseconds(client: httpx2.Client) -> None:
    assert 0 < post(client, "count", query="a").json()["latency_ms"] < 10_000


def test_a_probability_that_is_none_is_null(client: httpx2.Client) -> None:
    assert post(client, "prob", query="zebra zebra zebra").json()["probability"] is None


def test_a_whole_word_ends_before_its_comma(client: httpx2.Client) -> None:
    text = "Rules grew out of artificial intelligence, they say"
    (span,) = post(client, "attribute", query=text, whole_words=True, min_length=4).json()["spans"]
    found = text[span["begin_character"] : span["end_character"]]
    assert found == " grew out of artificial intelligence"


# 400


@pytest.mark.parametrize(
    ("path", "fields", "field", "words"),
    [
        ("count", {}, "query", "is missing"),
        ("count", {"query": [-1]}, "query", "token ids from 0"),
        ("count", {"query": [1.5]}, "query", "token ids from 0"),
        ("count_batch", {"queries": ["a", None]}, "queries[1]", "text or a flat list"),
        ("count", {"query": "a", "quarry": 1}, "quarry", "no field of this request"),
        ("ntd", {"query": "a", "top": 10**9}, "top", "the limit is"),
        ("ntd", {"query": "a", "top": -1}, "top", "greater than or equal to 0"),
        ("doc_by_rank", {"rank": 10**9}, "rank", "the index has"),
        ("count_cnf", {"cnf": []}, "cnf.clauses", "at least one clause"),
        ("list_hits", {}, "query", "give query or cnf"),
        ("list_hits", {"query": "a", "page_token": "x"}, "page_token", "none of this server's"),
        ("detokenize", {"ids": "a"}, "ids", "valid list"),
    ],
)
def test_a_wrong_field_is_named(
    client: httpx2.Client, path: str, fields: dict[str, Any], field: str, words: str
) -> None:
    response = post(client, path, **fields)
    assert response.status_code == 400
    assert error(response)["code"] == "INVALID_ARGUMENT"
    assert error(response)["field"] == field
    assert words in error(response)["message"]


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[1]", b"\xff", b'{"query": ' + b"9" * 5000 + b"}", b"[" * 9000]
)
def test_a_body_that_is_no_object_is_refused(client: httpx2.Client, body: bytes) -> None:
    for path in ("/", "/v1/count"):
        response = client.post(path, content=body, headers={"Content-Type": "application/json"})
        assert response.status_code == 400, response.text


def test_text_needs_a_tokenizer(client: httpx2.Client) -> None:
    response = client.post("/v1/count", json={"index": "ids", "query": "a"})
    assert (response.status_code, error(response)["code"]) == (400, "FAILED_PRECONDITION")


def test_half_a_surrogate_pair_is_no_text(client: httpx2.Client) -> None:
    for body in (
        b'{"index": "corpus", "query": "\\ud800"}',
        b'{"index": "\\ud800", "query": "a"}',
        b'{"index": "corpus", "query": "a", "\\ud800": 1}',
        b'{"index": "corpus", "query": "a", "page_token": "\\ud800"}',
    ):
        for path in ("count", "list_hits"):
            assert _sent(client, f"/v1/{path}", body).status_code == 400
    peer = b'{"index": "corpus", "query_type": "count", "query": "\\ud800"}'
    assert "surrogate" in client.post("/", content=peer).json()["error"]


# 404, 405, 413, 429, 503, 504


def test_an_unknown_index_is_not_found(client: httpx2.Client) -> None:
    response = client.post("/v1/count", json={"index": "none", "query": "a"})
    assert (response.status_code, error(response)["code"]) == (404, "NOT_FOUND")
    assert "corpus" in error(response)["message"]


def test_an_unknown_path_and_a_wrong_method(client: httpx2.Client) -> None:
    assert client.get("/v2/count").status_code == 404
    assert client.get("/v1/count").status_code == 405
    assert error(client.get("/v1/count"))["code"] == "UNIMPLEMENTED"


@pytest.mark.parametrize("path", ["/", "/v1/count", "/trace", "/health/live"])
def test_a_large_body_is_refused(client: httpx2.Client, path: str) -> None:
    def in_parts() -> Iterator[bytes]:
        for _ in range(5):
            yield b"a" * (LIMIT // 4)

    for content in (b"a" * (LIMIT + 1), in_parts()):
        response = client.post(path, content=content)
        assert response.status_code == 413
        assert str(LIMIT) in error(response)["message"]


def test_a_body_at_the_limit_is_taken(client: httpx2.Client) -> None:
    body = json.dumps({"index": "corpus", "query": "a"}).encode().ljust(LIMIT)
    response = client.post("/v1/count", content=body, headers={"Content-Type": "application/json"})
    assert response.status_code == 200


def test_too_many_calls_are_sent_away_for_a_while(target: str) -> None:
    text = "natural language processing and deep learning at the University " * 3000
    with gateway(target) as client, ThreadPoolExecutor(8) as threads:

        def ask(path: str, body: dict[str, Any]) -> httpx2.Response:
            return client.post(path, json={"index": "corpus", "query": text, **body})

        jobs = [threads.submit(ask, "/v1/attribute", {}) for _ in range(6)]
        jobs += [threads.submit(ask, "/", {"query_type": "attribute"}) for _ in range(6)]
        answers = [job.result() for job in jobs]
    assert {one.status_code for one in answers} == {200, 429}
    for one in answers:
        if one.status_code == 429:
            assert int(one.headers["Retry-After"]) >= 1
            assert "Attribute" in one.text


def test_an_index_that_is_away_is_unavailable() -> None:
    with gateway(NOWHERE, wait=False) as client:
        assert client.get("/health/live").status_code == 200
        asks = [
            client.post("/v1/count", json={"query": "a"}),
            client.post("/", json={"index": "a", "query_type": "count", "query": "a"}),
            client.get("/health/ready"),
            client.get("/", headers={"Accept": "text/html"}),
        ]
    assert {one.status_code for one in asks} == {503}
    assert {one.headers["Retry-After"] for one in asks} == {"1"}
    assert "loading or away" in asks[-1].text


def test_readiness_follows_the_index(target: str, client: httpx2.Client) -> None:
    assert client.get("/health/ready").json() == {"status": "ok", "indexes": ["corpus", "ids"]}


def test_a_call_that_takes_too_long_is_given_up(tmp_path: Path) -> None:
    folder = make_byte_level_index(tmp_path / "corpus")
    with (
        started("services.index", INDEXES=f"corpus={folder}") as service,
        gateway(service.target, INDEX_TIMEOUT="0.5") as client,
    ):
        service.process.send_signal(signal.SIGSTOP)  # it is there, but doesn't answer
        response = client.post("/v1/count", json={"index": "corpus", "query": "a"})
        assert (response.status_code, error(response)["code"]) == (504, "DEADLINE_EXCEEDED")
        peer = {"index": "corpus", "query_type": "count", "query": "a"}
        assert client.post("/", json=peer).status_code == 504
        service.process.send_signal(signal.SIGCONT)


# the rest of HTTP


def test_only_origins_that_were_named_may_ask(client: httpx2.Client) -> None:
    for origin, allowed in (("https://page.example", True), ("https://other.example", False)):
        headers = {
            "Origin": origin,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "content-type",
        }
        asked = client.options("/v1/count", headers=headers)
        assert (asked.headers.get("Access-Control-Allow-Origin") == origin) is allowed
        assert (asked.status_code == 200) is allowed


def test_the_api_page_needs_nothing_from_outside(client: httpx2.Client) -> None:
    page = client.get("/docs")
    assert page.status_code == 200
    assert "http" not in page.text
    for asset in ("/docs/assets/swagger-ui-bundle.js", "/docs/assets/swagger-ui.css"):
        assert asset in page.text
        assert client.get(asset).status_code == 200
    paths = client.get("/openapi.json").json()["paths"]
    assert set(paths["/v1/count"]["post"]["responses"]) >= {"200", "400", "404", "429", "503"}
    assert "422" not in paths["/v1/count"]["post"]["responses"]


def test_the_gateway_stops_cleanly(target: str) -> None:
    process = launch("services.gateway", INDEX_TARGET=target)
    assert process.stderr is not None
    port = json.loads(process.stderr.readline())["port"]
    with httpx2.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
        wait_until_ready(client)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=20)
    assert process.returncode == 0, said
    assert "Traceback" not in said


def test_a_port_that_is_in_use_is_refused_in_one_line(client: httpx2.Client) -> None:
    process = launch("services.gateway", LISTEN=f"127.0.0.1:{client.base_url.port}")
    _, said = process.communicate(timeout=20)
    assert process.returncode == 2
    assert said.startswith("error: STILLHOUSE_LISTEN: cannot listen")
    assert said.count("\n") == 1


# hostile input

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
_QUERIES = (
    st.text(max_size=30)
    | st.sampled_from(["natural language", "birds AND oil", " AND ", "a OR ", "", "\ud800"])
    | st.lists(st.integers(-1, 400), max_size=5)
    | st.lists(st.lists(st.lists(st.integers(0, 400), max_size=3), max_size=3), max_size=3)
    | _JSON
)
_NUMBERS = st.integers(-1, 12) | st.sampled_from([0, 1, 2**32, 2**63, 2**64, 10**400]) | _JSON
_PEER = st.fixed_dictionaries(
    {},
    optional={
        "index": st.sampled_from(["corpus", "ids", "none", ""]) | _JSON,
        "query_type": st.sampled_from(
            [
                "count", "prob", "ntd", "infgram_prob", "infgram_ntd", "find", "find_cnf",
                "search_docs", "get_doc_by_rank", "get_doc_by_ptr", "creativity", "attribute",
            ]
        ) | _JSON,
        "query": _QUERIES, "query_ids": _QUERIES, "s": _NUMBERS, "rank": _NUMBERS,
        "ptr": _NUMBERS, "maxnum": _NUMBERS, "max_disp_len": _NUMBERS, "max_support": _NUMBERS,
        "max_diff_tokens": _NUMBERS, "max_clause_freq": _NUMBERS, "delim_ids": _QUERIES,
        "min_len": _NUMBERS, "max_cnt": _NUMBERS, "enforce_bow": _JSON,
    },
)  # fmt: skip
_V1 = st.fixed_dictionaries(
    {"index": st.sampled_from(["corpus", "ids", "none"]) | _JSON},
    optional={
        "query": _QUERIES, "queries": st.lists(_QUERIES, max_size=3) | _JSON, "cnf": _QUERIES,
        "cnfs": _QUERIES, "end": _JSON, "top": _NUMBERS, "rank": _NUMBERS, "ranks": _QUERIES,
        "position": _NUMBERS, "positions": _QUERIES, "limit": _NUMBERS, "seed": _NUMBERS,
        "context": _NUMBERS, "match_length": _NUMBERS, "max_diff_tokens": _NUMBERS,
        "page_size": _NUMBERS, "page_token": _QUERIES, "text": _QUERIES, "texts": _QUERIES,
        "ids": _QUERIES, "sequences": _QUERIES, "min_length": _NUMBERS, "max_count": _NUMBERS,
        "delimiters": _QUERIES, "documents": _NUMBERS,
    },
)  # fmt: skip
_LIKELY = {
    "count": ("query",),
    "ntd": ("query", "top"),
    "infgram_prob_batch": ("queries", "end"),
    "score": ("query",),
    "count_cnf": ("cnf", "max_diff_tokens"),
    "find_cnf_batch": ("cnfs", "limit"),
    "attribute": ("query", "min_length", "max_count", "delimiters", "documents"),
    "search_docs": ("query", "limit", "seed", "context"),
    "doc_by_rank": ("rank", "context", "match_length"),
    "doc_by_position_batch": ("positions", "context", "match_length"),
    "list_hits": ("query", "cnf", "page_size", "page_token", "max_diff_tokens"),
    "tokenize_batch": ("texts",),
    "detokenize_batch": ("sequences",),
}
_EXAMPLES = settings(
    max_examples=120,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def _sent(client: httpx2.Client, path: str, content: bytes) -> httpx2.Response:
    return client.post(path, content=content, headers={"Content-Type": "application/json"})


@_EXAMPLES
@given(body=st.binary(max_size=60) | _JSON.map(lambda one: json.dumps(one).encode()))
def test_no_body_breaks_the_gateway(client: httpx2.Client, body: bytes) -> None:
    for path in ("/", "/v1/count", "/v1/list_hits", "/trace"):
        assert _sent(client, path, body).status_code in (200, 400)


@_EXAMPLES
@given(body=_PEER)
def test_no_request_of_a_peers_client_breaks_the_gateway(
    client: httpx2.Client, body: object
) -> None:
    response = _sent(client, "/", json.dumps(body).encode())
    assert response.status_code in (200, 400), response.text
    assert ("error" in response.json()) or response.status_code == 200


@_EXAMPLES
@given(path=st.sampled_from(sorted(_LIKELY)), body=_V1, all_fields=st.booleans())
def test_no_request_breaks_the_gateway(
    client: httpx2.Client, path: str, body: dict[str, object], all_fields: bool
) -> None:
    if not all_fields:
        body = {name: body[name] for name in ("index", *_LIKELY[path]) if name in body}
    response = _sent(client, f"/v1/{path}", json.dumps(body).encode())
    assert response.status_code in (200, 400, 404), response.text
    assert not any(isinstance(one, float) and math.isnan(one) for one in response.json().values())


@_EXAMPLES
@given(
    query=st.dictionaries(
        st.sampled_from(["q", "ids", "page", "index"]),
        st.text(st.characters(codec="utf-8"), max_size=20)
        | st.sampled_from(["1", "2,3", "0", "9" * 30, "natural AND birds", "corpus", "ids"]),
    ),
    path=st.sampled_from(["/", "/documents", "/trace"]),
)
def test_no_address_breaks_the_page(
    client: httpx2.Client, query: dict[str, str], path: str
) -> None:
    response = client.get(path, params=query, headers={"Accept": "text/html"})
    assert response.status_code in (200, 400, 404), response.text
    assert response.text.startswith("<!doctype html>")
