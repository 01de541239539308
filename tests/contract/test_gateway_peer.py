"""infini-gram's documented calls, answered in its shapes over a real socket."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.support.gateway import DOCUMENTS, asked, gateway, index_service, make_byte_level_index
from tests.support.small_index import make_ids_index

Answer = dict[str, Any]
COMMON = {"latency", "token_ids", "tokens"}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx2.Client]:
    root = tmp_path_factory.mktemp("peer")
    folders = {"corpus": make_byte_level_index(root / "corpus"), "ids": _ids(root / "ids")}
    indexes = ",".join(f"{name}={folder}" for name, folder in folders.items())
    with index_service(INDEXES=indexes) as target, gateway(target, END_TOKENS="ids=9") as opened:
        yield opened


def _ids(folder: Path) -> Path:
    return make_ids_index(folder)


def occurrences(text: str) -> int:
    """How often a text with a space before it stands in the corpus, the slow way."""
    return sum(one.count(f" {text}") for one in DOCUMENTS)


def ids_of(client: httpx2.Client, text: str) -> list[int]:
    ids: list[int] = asked(client, query_type="count", query=text)["token_ids"]
    return ids


# 1. count


def test_getting_started(client: httpx2.Client) -> None:
    answer = asked(client, query_type="count", query="University of Washington")
    assert set(answer) == {"count", "approx", *COMMON}
    assert (answer["count"], answer["approx"]) == (1, False)
    assert isinstance(answer["latency"], float)
    assert answer["latency"] > 0
    assert len(answer["token_ids"]) == len(answer["tokens"])
    assert "".join(answer["tokens"]).replace("\u0120", " ") == " University of Washington"


def test_count_of_an_ngram(client: httpx2.Client) -> None:
    text = "natural language processing"
    assert asked(client, query_type="count", query=text)["count"] == occurrences(text) == 3


def test_count_of_the_empty_query_is_the_size_of_the_corpus(client: httpx2.Client) -> None:
    answer = asked(client, query_type="count", query="")
    info = client.get("/v1/indexes").json()["indexes"][0]
    assert answer["count"] == info["tokens"]
    assert (answer["token_ids"], answer["tokens"]) == ([], [])


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("natural language processing AND deep learning", 1),
        (
            "natural language processing OR artificial intelligence "
            "AND deep learning OR machine learning",
            2,
        ),
        ("birds AND oil", 25),
    ],
)
def test_count_of_clauses_or_binds_tighter(client: httpx2.Client, text: str, count: int) -> None:
    answer = asked(client, query_type="count", query=text, max_diff_tokens=100)
    assert answer["count"] == count
    by_ids = asked(client, query_type="count", query_ids=answer["token_ids"])
    assert (by_ids["count"], by_ids["tokens"]) == (count, answer["tokens"])
    shape = [[len(term) for term in clause] for clause in answer["tokens"]]
    assert shape == [[len(term) for term in clause] for clause in answer["token_ids"]]
    assert shape == [
        [len(ids_of(client, term)) for term in clause.split(" OR ")]
        for clause in text.split(" AND ")
    ]


def test_count_by_ids(client: httpx2.Client) -> None:
    found = asked(client, query_type="count", query="natural language processing")
    plain = asked(client, query_type="count", query_ids=found["token_ids"])
    assert plain["count"] == found["count"]
    assert plain["tokens"] == found["tokens"]
    nested = asked(client, query_type="count", query_ids=[[found["token_ids"]]])
    assert nested["count"] == found["count"]
    assert nested["tokens"] == [[found["tokens"]]]


def test_clauses_further_apart_than_max_diff_tokens_do_not_count(client: httpx2.Client) -> None:
    text = "natural language processing AND deep learning"
    assert asked(client, query_type="count", query=text, max_diff_tokens=1)["count"] == 0


# 2. prob, 3. ntd


def test_prob(client: httpx2.Client) -> None:
    answer = asked(client, query_type="prob", query="natural language processing")
    assert set(answer) == {"prob", "prompt_cnt", "cont_cnt", *COMMON}
    assert answer["cont_cnt"] == 3
    assert answer["prob"] == pytest.approx(answer["cont_cnt"] / answer["prompt_cnt"])


def test_prob_of_a_context_that_is_not_there(client: httpx2.Client) -> None:
    answer = asked(client, query_type="prob", query="zebra zebra zebra")
    assert (answer["prob"], answer["prompt_cnt"], answer["cont_cnt"]) == (-1.0, 0, 0)


def test_ntd(client: httpx2.Client) -> None:
    answer = asked(client, query_type="ntd", query="natural language", max_support=1000)
    following = answer["result_by_token_id"]
    assert {"prompt_cnt", "result_by_token_id", "approx", *COMMON} <= set(answer)
    assert answer["approx"] is False
    assert sum(one["cont_cnt"] for one in following.values()) == answer["prompt_cnt"]
    assert sum(one["prob"] for one in following.values()) == pytest.approx(1)
    assert {one["token"]: one["cont_cnt"] for one in following.values()}[" processing"] == 3


def test_ntd_of_a_context_that_is_not_there_is_empty(client: httpx2.Client) -> None:
    answer = asked(client, query_type="ntd", query="zebra zebra zebra")
    assert (answer["prompt_cnt"], answer["result_by_token_id"]) == (0, {})


def test_the_end_of_documents_goes_by_the_id_that_was_set(client: httpx2.Client) -> None:
    answer = asked(client, index="ids", query_type="ntd", query_ids=[2, 3])
    assert answer["result_by_token_id"] == {"9": {"cont_cnt": 2, "prob": 1.0, "token": ""}}
    prob = asked(client, index="ids", query_type="prob", query_ids=[2, 3, 9])
    assert (prob["prob"], prob["prompt_cnt"], prob["cont_cnt"]) == (1.0, 2, 2)


# 4. infgram_prob, 5. infgram_ntd


def test_infgram_prob_backs_off_to_the_longest_suffix(client: httpx2.Client) -> None:
    text = "I love natural language processing"
    answer = asked(client, query_type="infgram_prob", query=text)
    assert set(answer) == {
        "prob", "prompt_cnt", "cont_cnt", "suffix_len", "longest_suffix", *COMMON
    }  # fmt: skip
    assert answer["longest_suffix"] == " natural language"
    assert answer["suffix_len"] == len(ids_of(client, "natural language"))
    plain = asked(client, query_type="prob", query="natural language processing")
    assert answer["prob"] == plain["prob"]


def test_infgram_ntd_backs_off_to_the_longest_suffix(client: httpx2.Client) -> None:
    answer = asked(client, query_type="infgram_ntd", query="I love natural language")
    plain = asked(client, query_type="ntd", query="natural language")
    assert answer["longest_suffix"] == " natural language"
    assert answer["suffix_len"] == len(plain["token_ids"])
    assert answer["result_by_token_id"] == plain["result_by_token_id"]


# 6. documents


def _check_document(answer: Answer, label: str, texts: set[str]) -> None:
    assert {
        "doc_ix", "doc_len", "disp_len", "token_ids", "spans", "metadata"
    } <= set(answer)  # fmt: skip
    assert "".join(text for text, _ in answer["spans"]) in DOCUMENTS[answer["doc_ix"]]
    assert answer["disp_len"] == len(answer["token_ids"]) <= answer["doc_len"]
    assert answer["metadata"] == f'{{"id": "doc/{answer["doc_ix"]}"}}'
    marked = {text.strip().lower() for text, number in answer["spans"] if number == label}
    assert marked
    assert marked <= texts


def test_find_then_get_doc_by_rank(client: httpx2.Client) -> None:
    text = "natural language processing"
    found = asked(client, query_type="find", query=text)
    assert {"cnt", "segment_by_shard", "latency"} <= set(found)
    ((begin, end),) = found["segment_by_shard"]
    assert end - begin == found["cnt"] == 3
    seen = set()
    for rank in range(begin, end):
        one = asked(client, query_type="get_doc_by_rank", query=text, s=0, rank=rank)
        _check_document(one, "0", {text})
        seen.add(one["doc_ix"])
    assert seen == {n for n, one in enumerate(DOCUMENTS) if f" {text}" in one}


def test_get_doc_by_rank_without_a_query_and_cut_short(client: httpx2.Client) -> None:
    call = {"query_type": "get_doc_by_rank", "s": 0, "rank": 0}
    whole = asked(client, **call)
    assert [label for _, label in whole["spans"]] == [None]
    assert len(whole["tokens"]) == whole["disp_len"]
    for most in (1, 2, 7):
        assert asked(client, **call, max_disp_len=most)["disp_len"] <= most


def test_find_of_what_is_not_there(client: httpx2.Client) -> None:
    found = asked(client, query_type="find", query="zebra zebra")
    assert (found["cnt"], found["segment_by_shard"]) == (0, [[0, 0]])


def test_find_cnf_then_get_doc_by_ptr(client: httpx2.Client) -> None:
    text = (
        "natural language processing OR artificial intelligence AND deep learning "
        "OR machine learning"
    )
    found = asked(client, query_type="find_cnf", query=text, max_clause_freq=500)
    assert {"cnt", "approx", "ptrs_by_shard", *COMMON} == set(found)
    assert found["approx"] is False
    (pointers,) = found["ptrs_by_shard"]
    assert len(pointers) == found["cnt"] == 2
    for ptr in pointers:
        one = asked(client, query_type="get_doc_by_ptr", query=text, s=0, ptr=ptr)
        _check_document(one, "0", {"natural language processing", "artificial intelligence"})
        _check_document(one, "1", {"deep learning", "machine learning"})
        by_ids = {"query_ids": found["token_ids"], "s": 0, "ptr": ptr}
        assert asked(client, query_type="get_doc_by_ptr", **by_ids)["spans"] == one["spans"]


@pytest.mark.parametrize("text", ["natural language", "birds AND oil"])
def test_search_docs(client: httpx2.Client, text: str) -> None:
    answer = asked(client, query_type="search_docs", query=text, maxnum=3, max_disp_len=40)
    assert {"cnt", "approx", "idxs", "documents", "message", *COMMON} == set(answer)
    assert len(answer["documents"]) == len(answer["idxs"]) == 3
    assert str(answer["cnt"]) in answer["message"]
    for one in answer["documents"]:
        _check_document(one, "0", {text.partition(" AND ")[0]})
        assert one["disp_len"] <= 40
    nothing = asked(client, query_type="search_docs", query="zebra zebra")
    assert (nothing["cnt"], nothing["documents"]) == (0, [])
    assert nothing["message"] == "0 occurrences found"


# what only its engine offers


def test_creativity_and_attribute(client: httpx2.Client) -> None:
    text = "natural language processing, zebra, artificial intelligence"
    ids = ids_of(client, text)
    ends = asked(client, query_type="creativity", query=text)["rs"]
    assert len(ends) == len(ids)
    traced = asked(client, query_type="attribute", query_ids=ids, min_len=2, max_cnt=100)
    for span in traced["spans"]:
        assert span["length"] == span["r"] - span["l"] >= 2
        assert ends[span["l"]] == span["r"]
        count = asked(client, query_type="count", query_ids=ids[span["l"] : span["r"]])["count"]
        assert span["count"] == count == len(span["docs"])
        assert span["unigram_logprob_sum"] < 0
    assert traced["spans"]


# errors


def test_get_lists_the_indexes_for_programs(client: httpx2.Client) -> None:
    assert client.get("/").json() == ["corpus", "ids"]


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"index": "corpus", "query": "a"}, 400, "Missing required field: 'query_type'"),
        ({"query_type": "count", "query": "a"}, 400, "Missing required field: 'index'"),
        ({"index": "no", "query_type": "count", "query": "a"}, 400, "Invalid index"),
        ({"index": "corpus", "query_type": "no", "query": "a"}, 400, "Invalid query_type: no"),
        ({"index": "corpus", "query_type": "count"}, 400, "Exactly one of query and query_ids"),
        (
            {"index": "corpus", "query_type": "count", "query": "a", "query_ids": [1]},
            400,
            "Exactly one of query and query_ids",
        ),
        (
            {"index": "corpus", "query_type": "count", "query": "a", "max_support": 3},
            400,
            "Unknown field for query_type count: max_support",
        ),
        ({"index": "corpus", "query_type": "get_doc_by_rank", "s": 0}, 400, "'rank'"),
        ({"index": "corpus", "query_type": "count", "query": 7}, 200, "query must be a string"),
        ({"index": "corpus", "query_type": "count", "query_ids": [-1]}, 200, "out-of-range"),
        ({"index": "corpus", "query_type": "count", "query_ids": [[1]]}, 200, "triply-nested"),
        ({"index": "corpus", "query_type": "count", "query_ids": [True]}, 200, "integers"),
        ({"index": "corpus", "query_type": "count", "query": " AND "}, 200, "non-empty"),
        ({"index": "corpus", "query_type": "prob", "query": ""}, 200, "non-empty query"),
        ({"index": "corpus", "query_type": "prob", "query": "a AND b"}, 200, "one n-gram"),
        (
            {"index": "corpus", "query_type": "ntd", "query": "a", "max_support": 1001},
            200,
            "max_support must be an integer in [1, 1000]!",
        ),
        (
            {"index": "corpus", "query_type": "count", "query": "a AND b", "max_diff_tokens": 0},
            200,
            "max_diff_tokens must be an integer in [1, 1000]!",
        ),
        (
            {"index": "corpus", "query_type": "get_doc_by_rank", "s": 1, "rank": 0},
            200,
            "s must be an integer in range [0, 1)",
        ),
        (
            {"index": "corpus", "query_type": "get_doc_by_rank", "s": 0, "rank": 10**9},
            200,
            "rank",
        ),
        ({"index": "ids", "query_type": "count", "query": "a"}, 200, "no tokenizer"),
        ([1], 400, "must be a JSON object"),
    ],
)
def test_errors(client: httpx2.Client, body: object, status: int, words: str) -> None:
    response = client.post("/", json=body)
    assert response.status_code == status
    assert list(response.json()) == ["error"]
    assert words in response.json()["error"]


def test_fields_of_its_demo_are_taken(client: httpx2.Client) -> None:
    response = client.post(
        "/",
        json={
            "corpus": "corpus", "engine": "c++", "source": "hf", "timestamp": "now",
            "query_type": "count", "query": "birds",
        },
    )  # fmt: skip
    assert response.json()["count"] == 25


def test_an_index_without_a_tokenizer_is_asked_by_ids(client: httpx2.Client) -> None:
    call = {"index": "ids", "query_ids": [2, 3]}
    assert asked(client, query_type="count", **call)["count"] == 2
    assert asked(client, query_type="infgram_ntd", **call)["suffix_len"] == 2
    found = asked(client, query_type="search_docs", maxnum=2, **call)
    assert {str(one["spans"]) for one in found["documents"]} <= {
        "[['1', None], ['2 3', '0']]",
        "[['2 3', '0']]",
    }
