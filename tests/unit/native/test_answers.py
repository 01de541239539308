"""Every answer against the naive twin: exhaustively where small, at random where not."""

from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stillhouse_native import Index

from tests.unit.native.corpora import index_of, ragged, scratch
from tests.unit.native.naive import NaiveIndex

TOP = 2**32 - 1


def splits(tokens: tuple[int, ...]) -> Iterator[list[tuple[int, ...]]]:
    """Every way to cut tokens into non-empty documents."""
    if not tokens:
        yield []
    for size in range(1, len(tokens) + 1):
        for rest in splits(tokens[size:]):
            yield [tokens[:size], *rest]


def assert_same(index: Index, naive: NaiveIndex, queries: list[tuple[int, ...]]) -> None:
    """All calls agree with the twin, single and in a batch."""
    assert index.tokens == naive.tokens
    assert index.documents == len(naive.docs)
    assert index.positions(0, naive.tokens).tolist() == naive.positions()
    values, offsets = ragged(queries)
    counts = index.count_batch(values, offsets).tolist()
    lengths, occurrences = (a.tolist() for a in index.match_lengths_batch(values, offsets))
    for i, query in enumerate(queries):
        expected = naive.count(query)
        assert index.count(query) == expected
        assert counts[i] == expected
        assert index.find(query) == naive.find(query)
        matches = naive.match_lengths(query)
        assert tuple(a.tolist() for a in index.match_lengths(query)) == matches
        cut = slice(offsets[i], offsets[i + 1])
        assert (lengths[cut], occurrences[cut]) == matches


def assert_documents(index: Index, naive: NaiveIndex) -> None:
    """Documents and places agree with the twin."""
    for d, document in enumerate(naive.docs):
        assert index.document(d).tolist() == document
    for position in range(naive.tokens):
        assert index.doc_of_position(position) == naive.place_of_position(position)
    for rank, (_, _, doc, offset) in enumerate(naive.suffixes):
        found = index.doc_by_rank(rank)
        assert (found.doc, found.offset, found.tokens.tolist()) == (doc, offset, naive.docs[doc])


@pytest.mark.parametrize(
    ("alphabet", "longest", "query"), [((5,), 7, 8), ((0, 9), 6, 4), ((2, 3, TOP), 4, 3)]
)
def test_exhaustive(alphabet: tuple[int, ...], longest: int, query: int) -> None:
    """All corpora over small alphabets, all cuts into documents, all queries."""
    wider = (*alphabet, 4)  # an id between those that occur, which never does
    queries = [q for n in range(query + 1) for q in product(alphabet, repeat=n)]
    queries += [q for n in range(1, 4) for q in product(wider, repeat=n) if 4 in q]
    corpora = (
        documents
        for n in range(longest + 1)
        for tokens in product(alphabet, repeat=n)
        for documents in splits(tokens)
    )
    built = 0
    for documents in corpora:
        naive = NaiveIndex(documents)
        preload = built % 2 == 1
        with scratch() as place, index_of(documents, Path(place) / "i", preload=preload) as index:
            assert_same(index, naive, queries)
            assert_documents(index, naive)
        built += 1
    assert built > 50


@pytest.mark.parametrize(
    "documents",
    [
        [],
        [()],
        [(), (), ()],
        [(7,)],
        [(7,), (), (7,)],
        [(), (1, 2), (), (), (1, 2, 3), ()],
        [(0,), (0, 0), (0, 0, 0), (0, 0), (0,)],
        [(TOP,), (0, TOP), (TOP, 0), (TOP, TOP)],
    ],
)
def test_empty_and_short_documents(documents: list[tuple[int, ...]], tmp_path: Path) -> None:
    """Empty corpora, empty documents, single tokens."""
    ids = sorted({0, 1, 7, TOP, *(t for d in documents for t in d)})
    queries = [q for n in range(4) for q in product(ids, repeat=n)]
    naive = NaiveIndex(documents)
    index = index_of(documents, tmp_path / "index")
    assert_same(index, naive, queries)
    assert_documents(index, naive)
    index.verify()


@pytest.mark.parametrize(
    ("dtype", "low", "high"),
    [
        (np.uint16, 0, 2),
        (np.uint16, 0, 4),
        (np.uint16, 65531, 65536),
        (np.uint32, 0, 256),
        (np.uint32, 0, 65536),
        (np.uint32, 2**31 - 3, 2**31 + 3),
        (np.uint32, 2**32 - 4, 2**32),
        (np.uint32, 0, 2**32),
    ],
)
def test_random_alphabets(
    dtype: type[np.integer[Any]], low: int, high: int, tmp_path: Path
) -> None:
    """Alphabets narrow and wide, low and high."""
    random = np.random.default_rng(high)
    tokens = random.integers(low, high, 300)
    cuts = np.sort(random.integers(0, 301, 9))
    documents = [tuple(part.tolist()) for part in np.split(tokens, cuts)]
    naive = NaiveIndex(documents)
    index = index_of(documents, tmp_path / "index", dtype=dtype)
    queries: list[tuple[int, ...]] = [(), (0,), (TOP,), (low,), (high - 1,), (0,) * 5, (TOP,) * 5]
    for _ in range(60):
        start, size = random.integers(0, 290), random.integers(1, 12)
        query = tokens[start : start + size].copy()
        if random.random() < 0.5:
            query[random.integers(0, len(query))] = random.integers(0, 2**32)
        queries.append(tuple(query.tolist()))
    assert_same(index, naive, queries)
    assert_documents(index, naive)


def test_queries_below_and_above_every_suffix(tmp_path: Path) -> None:
    """Queries that sort before the first suffix and after the last one."""
    documents = [(5, 6, 7), (5, 5, 7, 7)]
    index = index_of(documents, tmp_path / "index")
    queries = [
        (0,),
        (4, 9),
        (5, 5, 5),
        (5, 0),
        (8,),
        (7, 7, 7),
        (7, 7, 8),
        (7, 8),
        (TOP, 1),
        (6, 7, 5),
    ]
    assert_same(index, NaiveIndex(documents), queries)


ids = st.one_of(st.integers(0, 3), st.sampled_from([65535, 65536, 2**31, TOP]))
texts = st.lists(ids, max_size=12)


@settings(
    max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    documents=st.lists(texts, max_size=8),
    queries=st.lists(texts, max_size=5),
    preload=st.booleans(),
)
def test_random(documents: list[list[int]], queries: list[list[int]], preload: bool) -> None:
    """Whatever hypothesis can think of."""
    naive = NaiveIndex(documents)
    with scratch() as place, index_of(documents, Path(place) / "i", preload=preload) as index:
        assert_same(index, naive, [tuple(query) for query in queries])
        assert_documents(index, naive)
        index.verify()


def test_long_matches_in_repeats(tmp_path: Path) -> None:
    """Matches of hundreds of tokens, shared by many suffixes."""
    period = [1, 2, 1, 3, 1, 2, 1]
    documents = [period * 9, period * 8 + [9], [4] + period * 9, period * 9]
    naive = NaiveIndex(documents)
    index = index_of(documents, tmp_path / "index")
    queries = [tuple(period * 10), tuple(period * 8 + [9, 1]), tuple(period * 3 + [4] + period * 3)]
    assert_same(index, naive, queries)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    alphabet=st.integers(1, 4),
    size=st.integers(50, 300),
    cut=st.integers(1, 300),
    wide=st.booleans(),
)
def test_tables_of_preloaded_indexes(
    seed: int, alphabet: int, size: int, cut: int, wide: bool
) -> None:
    """Bigrams with dozens of occurrences, which are searched by packed keys."""
    random = np.random.default_rng(seed)
    tokens = random.integers(0, alphabet, size)
    # Symbols of 4 bytes: more distinct ids than 2 bytes tell apart.
    filler = [list(range(10, 65_600))] if wide and seed % 8 == 0 else []
    documents = [tokens[i : i + cut].tolist() for i in range(0, size, cut)]
    naive = NaiveIndex(documents)
    queries = [
        tuple(random.integers(0, alphabet + (random.random() < 0.1), n).tolist())
        for n in random.integers(2, 12, 20)
    ]
    queries += [tuple(tokens[i : i + n]) for i in range(0, size, 40) for n in (3, 6, 7, 20)]
    values, offsets = ragged(queries)
    with scratch() as place:
        index = index_of(documents + filler, Path(place) / "index", preload=True)
        assert index.count_batch(values, offsets).tolist() == [naive.count(q) for q in queries]
        for query in queries:
            lo, hi = index.find(query)
            assert hi - lo == naive.count(query)
            if not filler:
                assert (lo, hi) == naive.find(query)
            matches = tuple(a.tolist() for a in index.match_lengths(query))
            assert matches == naive.match_lengths(query)
