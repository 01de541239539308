"""Three index processes behind a front against one that holds everything."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.index.build import build_index
from services.index.engine import ragged, write_index
from stillhouse.errors import InvalidArgument, StillhouseError
from stillhouse.index.client import IndexClient
from stillhouse.index.types import Document
from stillhouse.index.v1.index_pb2_grpc import IndexServiceStub
from stillhouse.transport import open_channel, translated
from tests.support.index_requests import STREAMING, requests
from tests.support.service_process import started
from tests.support.shards import MODULE, Twins, front_of, serving_twins
from tests.support.small_index import TEXTS, make_tokenizer

EASY = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
ALPHABET = 6
WIDE, LAST = 9, 8

ids = st.lists(st.integers(0, ALPHABET), max_size=9)
some = st.lists(st.integers(0, ALPHABET), min_size=1, max_size=9)
cnfs = st.lists(
    st.lists(st.lists(st.integers(0, ALPHABET), min_size=1, max_size=2), min_size=1, max_size=2),
    min_size=1,
    max_size=3,
)


def corpus() -> list[np.ndarray[Any, np.dtype[np.uint32]]]:
    """Documents that share long stretches across the shards, and some that are empty.

    Each third has a token of its own, so that no clause is the rarest everywhere, and its own
    most frequent tokens behind WIDE, before the one that is the most frequent in the whole. The
    first third ends with LAST, which the second follows by more than a shard tells.
    """
    random = np.random.default_rng(7)
    stems = [random.integers(0, ALPHABET, 12).astype(np.uint32) for _ in range(3)]
    documents = []
    for number in range(90):
        weights = np.ones(ALPHABET + 1)
        weights[number // 30] = 6
        noise = random.choice(ALPHABET + 1, random.integers(0, 15), p=weights / weights.sum())
        stem = stems[number % 3][: random.integers(0, 12)] if number % 4 else stems[0][:0]
        own = [WIDE, 100 + number] * 3
        common = [WIDE, 99] * 2 if number % 30 == 0 else []
        last = [LAST] if number < 20 or number == 59 else [LAST, 200 + number] * 2
        last = [] if number >= 60 or 20 <= number < 30 else last
        documents.append(np.array([*noise, *stem, *own, *common, *last], np.uint32))
    return documents


@pytest.fixture(scope="module")
def twins(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Twins]:
    root = tmp_path_factory.mktemp("shards")
    documents = corpus()
    write_index(*ragged(documents), root / "whole", "")
    parts = [root / f"part-{number}" for number in range(3)]
    for number, part in enumerate(parts):
        write_index(*ragged(documents[30 * number : 30 * number + 30]), part, "")
    with serving_twins(root / "whole", parts) as found:
        yield found


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Twins]:
    root = tmp_path_factory.mktemp("texts")
    tokenizer = make_tokenizer(root / "tokenizer.json")
    names = ["one", "two", "three"]
    build_index(TEXTS, tokenizer, root / "whole", ids=names)
    parts = [root / f"part-{name}" for name in names]
    for part, name, text in zip(parts, names, TEXTS, strict=True):
        build_index([text], tokenizer, part, ids=[name])
    with serving_twins(root / "whole", parts, tokenizer) as found:
        yield found


@pytest.fixture(scope="module")
def stubs(texts: Twins) -> Iterator[list[IndexServiceStub]]:
    """Of the front and of the whole."""
    with open_channel(texts.front_target) as front, open_channel(texts.whole_target) as whole:
        yield [IndexServiceStub(front), IndexServiceStub(whole)]


def equal(one: object, other: object) -> bool:
    """Whether two answers are equal, NaN to NaN."""
    np.testing.assert_equal(plain(one), plain(other))
    return True


def plain(answer: Any) -> Any:
    if isinstance(answer, tuple | list):
        return [plain(one) for one in answer]
    if hasattr(answer, "__dataclass_fields__"):
        return {name: plain(getattr(answer, name)) for name in answer.__dataclass_fields__}
    return answer


def place(document: Document) -> tuple[int, int]:
    return document.document, document.offset


@EASY
@given(queries=st.lists(ids, max_size=4))
def test_counts_matches_and_scores(twins: Twins, queries: list[list[int]]) -> None:
    whole, front = twins.whole, twins.front
    assert front.count_batch(queries) == whole.count_batch(queries)
    assert equal(front.match_lengths_batch(queries), whole.match_lengths_batch(queries))
    assert equal(front.score_batch(queries), whole.score_batch(queries))
    for query in queries:
        assert front.count(query) == whole.count(query)
        assert equal(front.match_lengths(query), whole.match_lengths(query))
        assert equal(front.score(query), whole.score(query))


@EASY
@given(queries=st.lists(some, min_size=1, max_size=4), end=st.booleans())
def test_probabilities(twins: Twins, queries: list[list[int]], end: bool) -> None:
    whole, front = twins.whole, twins.front
    assert equal(front.prob_batch(queries, end=end), whole.prob_batch(queries, end=end))
    found = front.infgram_prob_batch(queries, end=end)
    assert equal(found, whole.infgram_prob_batch(queries, end=end))
    assert equal(front.prob(queries[0], end=end), whole.prob(queries[0], end=end))
    assert equal(front.infgram_prob(queries[0], end=end), whole.infgram_prob(queries[0], end=end))


@EASY
@given(queries=st.lists(ids, min_size=1, max_size=4), top=st.integers(0, 9))
def test_distributions(twins: Twins, queries: list[list[int]], top: int) -> None:
    whole, front = twins.whole, twins.front
    assert equal(front.ntd_batch(queries, top=top), whole.ntd_batch(queries, top=top))
    assert equal(
        front.infgram_ntd_batch(queries, top=top), whole.infgram_ntd_batch(queries, top=top)
    )
    assert equal(front.ntd(queries[0], top=top), whole.ntd(queries[0], top=top))
    assert equal(front.infgram_ntd(queries[0], top=top), whole.infgram_ntd(queries[0], top=top))


@pytest.mark.parametrize("top", [1, 3, 10, 200])
@pytest.mark.parametrize("context", [[WIDE], [], [ALPHABET + 1, WIDE]])
def test_the_most_frequent_of_many(twins: Twins, top: int, context: list[int]) -> None:
    found = twins.front.infgram_ntd(context, top=top)
    assert equal(found, twins.whole.infgram_ntd(context, top=top))
    assert len(found.tokens) + bool(found.end_count) >= min(top, 90)
    assert not context or found.tokens[0] == 99


def test_a_documents_end_among_the_most_frequent(twins: Twins) -> None:
    """The end is known from one shard's list and has to be asked for in another."""
    found = twins.front.ntd([LAST], top=1)
    assert equal(found, twins.whole.ntd([LAST], top=1))
    assert (len(found.tokens), found.end_count) == (0, 21)


@EASY
@given(steps=st.lists(ids, max_size=5), top=st.integers(0, 3))
def test_sessions_and_streams(twins: Twins, steps: list[list[int]], top: int) -> None:
    whole, front = twins.whole, twins.front
    assert equal(list(front.score_text(steps)), list(whole.score_text(steps)))
    with front.session(top=top) as one, whole.session(top=top) as other:
        for number, step in enumerate(steps):
            reset = number == 3
            assert equal(one.extend(step, reset=reset), other.extend(step, reset=reset))


@EASY
@given(cnf=cnfs, near=st.integers(0, 12), limit=st.integers(0, 5))
def test_clauses(twins: Twins, cnf: list[list[list[int]]], near: int, limit: int) -> None:
    whole, front = twins.whole, twins.front
    found = whole.find_cnf(cnf, max_diff_tokens=near, limit=limit)
    assert equal(front.find_cnf(cnf, max_diff_tokens=near, limit=limit), found)
    assert front.count_cnf(cnf, max_diff_tokens=near) == found.count
    assert front.count_cnf_batch([cnf, cnf], max_diff_tokens=near) == (found.count,) * 2
    both = front.find_cnf_batch([cnf], max_diff_tokens=near, limit=limit)
    assert equal(both, [found])
    pages = list(whole.list_hits(cnf=cnf, max_diff_tokens=near, page_size=7, context=2))
    again = list(front.list_hits(cnf=cnf, max_diff_tokens=near, page_size=7, context=2))
    assert [one.count for one in again] == [one.count for one in pages]
    assert equal([one.hits for one in again], [one.hits for one in pages])


@EASY
@given(query=ids)
def test_ranks_are_those_of_the_shards_one_after_the_other(twins: Twins, query: list[int]) -> None:
    whole, front = twins.whole, twins.front
    found, wanted = front.find(query), whole.find(query)
    assert found.count == wanted.count == sum(end - begin for begin, end in found.segments)
    assert list(found.segments) == sorted(found.segments)
    assert front.find_batch([query, [ALPHABET + 1]])[0].segments == found.segments
    ranks = [rank for begin, end in found.segments for rank in range(begin, end)]
    shown = front.doc_by_rank_batch(ranks, context=3, match_length=len(query))
    asked = [rank for begin, end in wanted.segments for rank in range(begin, end)]
    real = whole.doc_by_rank_batch(asked, context=3, match_length=len(query))
    assert equal(sorted(shown, key=place), sorted(real, key=place))
    if ranks:
        assert equal(front.doc_by_rank(ranks[-1], context=3, match_length=len(query)), shown[-1])


@EASY
@given(query=ids, size=st.integers(1, 400), start=st.integers(0, 3))
def test_listing_goes_on_where_it_was_left(
    twins: Twins, query: list[int], size: int, start: int
) -> None:
    pages = list(twins.front.list_hits(query, page_size=size, context=1))
    hits = [hit for page in pages for hit in page.hits]
    ranks = [r for begin, end in twins.front.find(query).segments for r in range(begin, end)]
    shown = twins.front.doc_by_rank_batch(ranks, context=1, match_length=len(query))
    assert equal(hits, shown)
    seen = start + 1
    if seen < len(pages):
        token = pages[start].next_page_token
        more = twins.front.list_hits(query, page_size=size, context=1, page_token=token)
        assert equal([one.hits for one in more], [one.hits for one in pages[seen:]])


@EASY
@given(query=st.lists(st.integers(0, ALPHABET), max_size=30), data=st.data())
def test_attribution(twins: Twins, query: list[int], data: st.DataObject) -> None:
    options: dict[str, Any] = {
        "min_length": data.draw(st.integers(0, 4)),
        "max_count": data.draw(st.none() | st.integers(0, 60)),
        "delimiters": data.draw(st.lists(st.integers(0, ALPHABET), max_size=2)),
        "documents": data.draw(st.integers(0, 5)),
    }
    found = twins.front.attribute(query, **options)
    wanted = twins.whole.attribute(query, **options)
    assert [(s.begin, s.end, s.count) for s in found.spans] == [
        (s.begin, s.end, s.count) for s in wanted.spans
    ]
    for one, other in zip(found.spans, wanted.spans, strict=True):
        assert len(one.positions) == len(other.positions) == len(set(one.positions.tolist()))
        if len(one.positions) == one.count:
            assert sorted(one.positions.tolist()) == sorted(other.positions.tolist())
        shown = twins.whole.doc_by_position_batch(
            one.positions.tolist(), match_length=one.end - one.begin, context=0
        )
        assert [document.document for document in shown] == one.documents.tolist()
        assert all(d.tokens.tolist() == query[one.begin : one.end] for d in shown)
    assert equal(twins.front.attribute_batch([query], **options)[0].spans, found.spans)


def test_a_shard_without_a_stretch_tells_nothing_of_its_pieces(tmp_path: Path) -> None:
    """They may be many more than one index would tell: here 30 positions in place of 2."""
    parts = [[[1, 2, 3, 4, 5, 6], [9]], [[1, 2], [3, 4], [5, 6]] * 10]
    for number, documents in enumerate(parts):
        arrays = [np.array(one, np.uint32) for one in documents]
        write_index(*ragged(arrays), tmp_path / f"part-{number}", "")
    with (
        started(MODULE, INDEXES=f"part={tmp_path}/part-0", MAX_POSITIONS="20") as one,
        started(MODULE, INDEXES=f"part={tmp_path}/part-1", MAX_POSITIONS="20") as other,
        front_of([one.target, other.target]) as front,
        IndexClient(front.target) as client,
    ):
        front.wait_for("index ready")
        found = client.attribute([1, 2, 3, 4, 5, 6, 9], documents=10).spans
    assert [(span.begin, span.end, span.positions.tolist()) for span in found] == [
        (0, 6, [0]),
        (6, 7, [6]),
    ]


@EASY
@given(query=some, limit=st.integers(1, 40), seed=st.integers(0, 2**64 - 1))
def test_documents_are_drawn_alike(twins: Twins, query: list[int], limit: int, seed: int) -> None:
    found = twins.front.search_docs(query, limit=limit, seed=seed, context=2)
    wanted = twins.whole.search_docs(query, limit=limit, seed=seed, context=2)
    assert (found.count, len(found.documents)) == (wanted.count, len(wanted.documents))
    assert len({one.document for one in found.documents}) == len(found.documents)
    again = twins.front.search_docs_batch([query], limit=limit, seed=seed, context=2)[0]
    assert equal(again.documents, found.documents)
    for one in found.documents:
        at = one.offset - one.begin
        assert one.tokens[at : at + len(query)].tolist() == query


def test_positions_and_documents_have_the_same_numbers(twins: Twins) -> None:
    total = twins.whole.list_indexes()[0].tokens
    places = range(total)
    assert twins.front.list_indexes()[0].tokens == total
    assert equal(
        twins.front.doc_by_position_batch(places, context=2, match_length=1),
        twins.whole.doc_by_position_batch(places, context=2, match_length=1),
    )
    for asked in (twins.front, twins.whole):
        with pytest.raises(InvalidArgument, match=f"{total} tokens"):
            asked.doc_by_position(total)


# Answers whose order or choice follows ranks, which are numbered shard by shard; and what
# tells of the server itself.
_RANKED = ("Find", "DocByRank", "SearchDocs", "Attribute", "ListHits", "ListIndexes")


@settings(EASY, max_examples=200)
@given(asked=requests())
def test_any_request_is_answered_or_refused_alike(
    stubs: list[IndexServiceStub], asked: tuple[str, Any]
) -> None:
    method, request = asked
    if method in ("LoadIndex", "UnloadIndex", "SetAlias"):
        return
    found, wanted = (answered(stub, method, request) for stub in stubs)
    if isinstance(wanted, StillhouseError):
        assert type(found) is type(wanted), (found, wanted)
        if isinstance(found, InvalidArgument) and isinstance(wanted, InvalidArgument):
            assert found.field == wanted.field
        return
    assert not isinstance(found, StillhouseError), found
    if not method.startswith(_RANKED):
        assert str(found) == str(wanted)


def answered(stub: IndexServiceStub, method: str, request: Any) -> Any:
    """All messages of an answer, or the error."""
    asked = iter(request) if isinstance(request, list) else request
    try:
        with translated():
            answer = getattr(stub, method)(asked, timeout=20)
            return list(answer) if method in STREAMING else [answer]
    except StillhouseError as error:
        return error
