"""Every rpc of the index against the slow way, over a real socket."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from services.index.build import build_index
from services.index.limits import Limits
from services.index.registry import Registry
from services.index.rpc import SERVICE, IndexService
from stillhouse.errors import FailedPrecondition, InvalidArgument, NotFound
from stillhouse.index.client import AsyncIndexClient, IndexClient
from stillhouse.index.v1.index_pb2_grpc import add_IndexServiceServicer_to_server
from stillhouse.work_time import work_time
from tests.support.service_process import started
from tests.support.serving import served
from tests.support.small_index import TEXTS, make_tokenizer

END = -1
QUERIES = ["the still runs", "the", "kept and", "again", "unheard of", "runs"]


class Twin:
    """Documents as lists of ids, and the definitions read aloud."""

    def __init__(self, docs: list[list[int]]) -> None:
        self.docs = docs

    def places(self, query: list[int]) -> list[tuple[int, int]]:
        return [
            (d, i)
            for d, doc in enumerate(self.docs)
            for i in range(len(doc))
            if doc[i : i + len(query)] == query
        ]

    def following(self, context: list[int]) -> Counter[int]:
        """What follows, END included; the empty context also stands before each end."""
        size = len(context)
        return Counter(
            ([*doc, END])[i + size]
            for doc in self.docs
            for i in range(len(doc) + 1 - size)
            if doc[i : i + size] == context
        )

    def suffix(self, context: list[int]) -> list[int]:
        while not self.following(context):
            context = context[1:]
        return context

    def near(self, clauses: list[list[list[int]]], distance: int) -> int:
        found = [sorted({p for one in clause for p in self.places(one)}) for clause in clauses]
        rarest = min(found, key=len)
        return sum(
            all(any(d == e and abs(i - j) <= distance for e, j in other) for other in found)
            for d, i in rarest
        )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("answers")
    tokenizer = make_tokenizer(root / "tokenizer.json")
    build_index(TEXTS, tokenizer, root / "words", ids=["one", "two", "three"])
    build_index(TEXTS[:1], tokenizer, root / "first")
    return root


@pytest.fixture(scope="module")
def client(folder: Path) -> Iterator[IndexClient]:
    with (
        started("services.index", INDEXES=f"words={folder}/words", INDEX_ROOT=str(folder)) as one,
        IndexClient(one.target) as opened,
    ):
        while not opened.list_indexes()[0].ready:
            pass
        yield opened


@pytest.fixture(scope="module")
def twin(client: IndexClient) -> Twin:
    return Twin([list(one.ids) for one in client.tokenize_batch(TEXTS)])


@pytest.fixture(scope="module")
def queries(client: IndexClient) -> list[list[int]]:
    return [list(one.ids) for one in client.tokenize_batch(QUERIES)]


def test_count_and_find(client: IndexClient, twin: Twin, queries: list[list[int]]) -> None:
    counts = [len(twin.places(query)) for query in queries]
    assert client.count_batch(QUERIES) == client.count_batch(queries) == tuple(counts)
    for text, ids, found in zip(QUERIES, queries, client.find_batch(queries), strict=True):
        assert found.count == len(twin.places(ids)) == client.find(text).count
        assert found.segments == client.find(ids).segments
        ranks = [rank for begin, end in found.segments for rank in range(begin, end)]
        places = [(one.document, one.offset) for one in client.doc_by_rank_batch(ranks)]
        assert sorted(places) == twin.places(ids)


@pytest.mark.parametrize("end", [False, True])
@pytest.mark.parametrize("infgram", [False, True])
def test_prob(
    client: IndexClient, twin: Twin, queries: list[list[int]], end: bool, infgram: bool
) -> None:
    single, batch = (
        (client.infgram_prob, client.infgram_prob_batch)
        if infgram
        else (client.prob, client.prob_batch)
    )
    columns = batch(queries, end=end)
    for number, query in enumerate(queries):
        context, token = (query, END) if end else (query[:-1], query[-1])
        used = twin.suffix(context) if infgram else context
        following = twin.following(used)
        total = sum(following.values())
        found = single(query, end=end)
        assert (found.count, found.context_count) == (following[token], total)
        assert found.sparse == (len(following) == 1)
        if infgram:
            assert found.suffix_length == len(used)
        wanted = following[token] / total if total else float("nan")
        assert found.probability == pytest.approx(wanted, nan_ok=True)
        assert columns.probabilities[number] == pytest.approx(wanted, nan_ok=True)
        assert columns.counts[number] == found.count
        assert columns.suffix_lengths[number] == found.suffix_length


def test_ntd(client: IndexClient, twin: Twin, queries: list[list[int]]) -> None:
    for infgram in (False, True):
        ask = client.infgram_ntd_batch if infgram else client.ntd_batch
        one = client.infgram_ntd if infgram else client.ntd
        for query, found in zip(queries, ask(queries), strict=True):
            following = twin.following(twin.suffix(query) if infgram else query)
            pairs = dict(zip(found.tokens.tolist(), found.counts.tolist(), strict=True))
            assert pairs == {k: v for k, v in following.items() if k != END}
            assert found.end_count == following[END] == one(query).end_count
            assert found.context_count == sum(following.values())
    top = client.ntd("the", top=1, pieces=True)
    assert (top.pieces, top.counts.tolist()) == (("still",), [3])


def test_scores(client: IndexClient, queries: list[list[int]]) -> None:
    for text, query, found in zip(QUERIES, queries, client.score_batch(queries), strict=True):
        prefixes = [query[: size + 1] for size in range(len(query))]
        wanted = client.infgram_prob_batch(prefixes)
        assert found.probabilities.tolist() == wanted.probabilities.tolist()
        assert found.suffix_lengths.tolist() == wanted.suffix_lengths.tolist()
        assert client.score(text).counts.tolist() == wanted.counts.tolist()
    streamed = [one.probabilities.tolist() for one in client.score_text(QUERIES)]
    assert streamed == [client.score(one).probabilities.tolist() for one in QUERIES]


def test_cnf(client: IndexClient, twin: Twin, queries: list[list[int]]) -> None:
    still, the, *_ = queries
    again = queries[3]
    for clauses in ([[still], [again]], [[the, again], [still]], [[the]]):
        for distance in (0, 3, 100):
            wanted = twin.near(clauses, distance)
            found = client.find_cnf(clauses, max_diff_tokens=distance)
            assert client.count_cnf(clauses, max_diff_tokens=distance) == found.count == wanted
            assert client.count_cnf_batch([clauses] * 2, max_diff_tokens=distance) == (wanted,) * 2
            assert len(found.positions) == wanted
            (pages,) = client.list_hits(cnf=clauses, max_diff_tokens=distance)
            assert pages.count == wanted
    (limited,) = client.find_cnf_batch([[["the"]]], limit=2)
    assert (limited.count, len(limited.positions)) == (5, 2)


def test_attribution(client: IndexClient) -> None:
    text = "only the still runs again"
    found = client.attribute(text)
    (batch,) = client.attribute_batch([found.tokens])
    assert [(one.begin, one.end) for one in found.spans] == [(0, 2), (1, 5)]
    assert [text[one.begin_character : one.end_character] for one in found.spans] == [
        "only the",
        "the still runs again",
    ]
    assert [one.document_ids for one in found.spans] == [("two",), ("three",)]
    for span, other in zip(found.spans, batch.spans, strict=True):
        assert (span.count, span.positions.tolist()) == (other.count, other.positions.tolist())
        place = client.doc_by_position(int(span.positions[0]), context=0)
        assert (place.document, place.id) == (int(span.documents[0]), span.document_ids[0])
    assert client.attribute(text, whole_words=True, min_length=3).spans[0].begin == 1


def test_documents(client: IndexClient) -> None:
    found = client.search_docs("hearts are", limit=5, context=1)
    assert (found.count, {one.id for one in found.documents}) == (2, {"two", "three"})
    assert all((one.before, one.match, one.after) == ("the", "hearts are", "kept")
               for one in found.documents)  # fmt: skip
    again = client.search_docs("the", limit=1, seed=7).documents[0]
    assert client.search_docs_batch(["the"], limit=1, seed=7)[0].documents[0].id == again.id
    whole = client.doc_by_position(0)
    assert " ".join([whole.before, whole.match, whole.after]).split() == TEXTS[0].split()


def test_listing_goes_on_where_it_was_left(client: IndexClient) -> None:
    pages = list(client.list_hits("the", page_size=2, context=0))
    assert [len(page.hits) for page in pages] == [2, 2, 1]
    rest = list(client.list_hits("the", page_size=2, page_token=pages[0].next_page_token))
    assert [[one.offset for one in page.hits] for page in rest] == [
        [one.offset for one in page.hits] for page in pages[1:]
    ]
    with pytest.raises(InvalidArgument, match="another query") as error:
        list(client.list_hits("still", page_token=pages[0].next_page_token))
    assert error.value.field == "page_token"
    with pytest.raises(InvalidArgument, match="none of this"):
        list(client.list_hits("the", page_token="é"))


def test_a_session_answers_as_the_whole_context_does(client: IndexClient) -> None:
    steps = ["only the", "still", "", "runs", "x", "the"]
    grown = [" ".join(steps[: n + 1]) for n in range(len(steps))]
    for text, found in zip(grown, client.decode(steps), strict=True):
        wanted = client.infgram_ntd(text)
        assert found.suffix_length == wanted.suffix_length
        assert found.counts.tolist() == wanted.counts.tolist()


def test_indexes_are_loaded_swapped_and_named(client: IndexClient, folder: Path) -> None:
    with ThreadPoolExecutor(4) as threads:
        loaded = client.load_index("other", "words")
        asked = [threads.submit(client.count, "hearts", "other") for _ in range(100)]
        swapped = client.load_index("other", "first", preload=True)
        asked += [threads.submit(client.count, "hearts", "other") for _ in range(100)]
        assert {one.result().count for one in asked} <= {0, 2}
    assert loaded.digest != swapped.digest
    client.set_alias("spirit", "other")
    assert client.count("runs", "spirit").count == 2
    with pytest.raises(FailedPrecondition, match="spirit"):
        client.unload_index("other")
    client.set_alias("spirit", "")
    client.unload_index("other")
    with pytest.raises(NotFound):
        client.count("runs", "other")
    for path in ("../answers", "/etc", "", "words/../.."):
        with pytest.raises(InvalidArgument) as error:
            client.load_index("x", path)
        assert error.value.field == "folder"
    with pytest.raises(FailedPrecondition, match="digest"):
        client.load_index("x", "words", digest="00")


async def test_both_clients_have_the_same_calls(folder: Path) -> None:
    names = {name for name in vars(IndexClient) if not name.startswith("_")}
    assert names == {name for name in vars(AsyncIndexClient) if not name.startswith("_")}
    registry = Registry({"words": folder / "words"})
    registry.load()
    with ThreadPoolExecutor(1) as executor:
        service = IndexService(registry, executor, Limits())
        async with (
            served(SERVICE, lambda one: add_IndexServiceServicer_to_server(service, one)) as target,
            AsyncIndexClient(target) as client,
        ):
            assert [page.count async for page in client.list_hits("the", page_size=3)] == [5, 5]
            ids = np.tile(np.array([[1, 2, 3]], np.uint32), (5000, 1))
            assert len(await client.count_batch(list(ids))) == 5000
            with pytest.raises(FailedPrecondition, match="STILLHOUSE_INDEX_ROOT"):
                await client.unload_index("words")


def test_detokenize_undoes_tokenize(client: IndexClient, folder: Path) -> None:
    cut = client.tokenize("the still runs hot")
    found = client.detokenize(cut.ids)
    assert (found.text, found.pieces) == ("the still runs hot", cut.pieces)
    assert client.detokenize_batch([cut.ids[1:3], [], cut.ids]) == (
        client.detokenize(cut.ids[1:3]),
        client.detokenize([]),
        found,
    )
    assert client.detokenize([999_999]).pieces == ("",)


def test_a_match_that_is_asked_for_is_marked(client: IndexClient) -> None:
    found = client.find("hearts are")
    (begin, end), ids = found.segments[0], range(2)
    shown = client.doc_by_rank_batch(range(begin, end), context=1, match_length=len(ids))
    assert {one.match for one in shown} == {"hearts are"}
    position = int(client.find_cnf([["hearts are"]]).positions[0])
    assert client.doc_by_position(position, match_length=2).match == "hearts are"


async def test_servers_tell_the_time_of_their_work(folder: Path) -> None:
    with started("services.index", INDEXES=f"words={folder}/words") as one:
        async with AsyncIndexClient(one.target) as client:
            while not (await client.list_indexes())[0].ready:
                pass
            with work_time() as spent:
                await client.count("the still")
                first = spent.milliseconds
                await client.ntd("the")
            assert 0 < first < spent.milliseconds
            before = spent.milliseconds
            await client.count("the still")
            assert spent.milliseconds == before
        with IndexClient(one.target) as client, work_time() as spent:
            client.count("the still")
        assert spent.milliseconds > 0


async def test_a_session_of_either_client_follows_a_growing_context(
    client: IndexClient, folder: Path
) -> None:
    steps = [("the still", False), ("runs", False), ("only the", True)]
    contexts = ["the still", "the still runs", "only the"]
    expected = [client.infgram_ntd(one, "words") for one in contexts]
    with client.session("words") as session:
        found = [session.extend(text, reset=reset) for text, reset in steps]
    with started("services.index", INDEXES=f"words={folder}/words") as one:
        one.wait_for("index ready")
        async with AsyncIndexClient(one.target) as asking:
            other = asking.session("words")
            also = [await other.extend(text, reset=reset) for text, reset in steps]
            other.close()
    for right, *both in zip(expected, found, also, strict=True):
        for answer in both:
            assert answer.tokens.tolist() == right.tokens.tolist()
            assert answer.counts.tolist() == right.counts.tolist()
            assert answer.suffix_length == right.suffix_length


def test_rows_of_a_session_grow_side_by_side(client: IndexClient) -> None:
    steps = [("the still", 0), ("only the", 3), ("runs", 0), ("hearts", 3), ("zebra", 0)]
    contexts = [
        "the still",
        "only the",
        "the still runs",
        "only the hearts",
        "the still runs zebra",
    ]
    with client.session("words", min_suffix=2) as session:
        for text, row in steps:
            session.send(text, row=row)
        found = [session.receive() for _ in steps]
    for context, answer in zip(contexts, found, strict=True):
        right = client.infgram_ntd(context, "words")
        assert answer.suffix_length == right.suffix_length
        assert answer.context_count == right.context_count
        assert answer.end_count == right.end_count
        shown = right.tokens.tolist() if right.suffix_length >= 2 else []
        assert answer.tokens.tolist() == shown
        assert len(answer.counts) == len(shown)
    assert found[4].suffix_length == 0


def test_a_row_beyond_the_last_is_refused(client: IndexClient) -> None:
    with client.session("words") as session:
        assert session.extend("the", row=4095).suffix_length == 1
        with pytest.raises(InvalidArgument, match="row"):
            session.extend("the", row=4096)
