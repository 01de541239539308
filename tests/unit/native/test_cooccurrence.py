"""AND of ORs within a distance, against the naive twin."""

from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stillhouse_native import Index

from tests.unit.native.corpora import index_of, scratch
from tests.unit.native.naive import NaiveIndex

Cnf = list[list[list[int]]]


def assert_same(
    index: Index, naive: NaiveIndex, cnf: Cnf, distance: int, anchor: int | None = None
) -> None:
    expected = naive.find_cnf(cnf, distance, anchor)
    found = index.find_cnf(cnf, max_diff_tokens=distance, anchor=anchor).tolist()
    assert found == expected, (cnf, distance, anchor)
    assert index.count_cnf(cnf, max_diff_tokens=distance, anchor=anchor) == len(expected)


def test_exhaustive(tmp_path: Path) -> None:
    """All pairs of clauses over two n-grams at all distances, near and across borders."""
    documents = [[1, 2, 1, 1, 3], [2], [], [3, 1, 2, 2, 1], [1, 2]]
    naive = NaiveIndex(documents)
    index = index_of(documents, tmp_path / "index")
    ngrams = [[1], [2], [3], [4], [1, 2], [2, 1], [2, 2, 1]]
    clauses = [[a] for a in ngrams] + [[a, b] for a, b in product(ngrams, repeat=2)]
    cnfs: list[Cnf] = [[a, b] for a, b in product(clauses, clauses[:20])] + [[a] for a in clauses]
    for distance in (0, 1, 2, 5):
        for cnf in cnfs:
            assert_same(index, naive, cnf, distance)
        counts = index.count_cnf_batch(cnfs, max_diff_tokens=distance).tolist()
        found = index.find_cnf_batch(cnfs, max_diff_tokens=distance)
        assert counts == [len(f) for f in found]


ngrams = st.lists(st.integers(0, 3), min_size=1, max_size=3)


@settings(max_examples=300, deadline=None)
@given(
    documents=st.lists(st.lists(st.integers(0, 3), max_size=25), max_size=6),
    cnf=st.lists(st.lists(ngrams, min_size=1, max_size=3), min_size=1, max_size=3),
    distance=st.integers(0, 30),
    preload=st.booleans(),
)
def test_random(documents: list[list[int]], cnf: Cnf, distance: int, preload: bool) -> None:
    with scratch() as place:
        index = index_of(documents, Path(place) / "index", preload=preload)
        naive = NaiveIndex(documents)
        for anchor in (None, *range(len(cnf))):
            assert_same(index, naive, cnf, distance, anchor)


@pytest.mark.parametrize("rare", [3, 40, 400])
def test_rare_and_frequent_clauses(rare: int, tmp_path: Path) -> None:
    """Each way to look for a clause: by its positions, or in the text around."""
    random = np.random.default_rng(rare)
    documents = [random.integers(5, 15, size).tolist() for size in random.integers(1, 400, 60)]
    for symbol, number in ((0, rare), (1, 2 * rare), (2, 300)):
        for _ in range(number):
            document = documents[random.integers(len(documents))]
            document[random.integers(len(document))] = symbol
    naive = NaiveIndex(documents)
    index = index_of(documents, tmp_path / "index")
    for distance in (0, 1, 7, 63, 64, 65, 200, 10**9):
        assert_same(index, naive, [[[0]], [[1]]], distance)
        assert_same(index, naive, [[[2]], [[0], [6, 7]], [[5]]], distance)
        assert_same(index, naive, [[[0], [1]], [[2], [9, 9]]], distance)


def test_dense_terms_near_document_borders(tmp_path: Path) -> None:
    """Every short document holds both terms; none is lost to its neighbours."""
    index = index_of([[11, 12]] * 199, tmp_path / "index")
    assert index.count_cnf([[[11]], [[12]]]) == 199
    assert index.count_cnf([[[11], [11]], [[12]]]) == 199
    assert index.count_cnf([[[11]], [[12]]], max_diff_tokens=0) == 0


@pytest.mark.parametrize("cnf", [[], [[]], [[[1]], []], [[[]]], [[[1], []]]])
def test_refuses_empty_clauses(cnf: Cnf, tmp_path: Path) -> None:
    index = index_of([[1, 2]], tmp_path / "index")
    with pytest.raises(ValueError, match="cnf"):
        index.count_cnf(cnf)
    with pytest.raises(ValueError, match="cnf"):
        index.find_cnf(cnf)


def test_refuses_an_anchor_that_is_no_clause(tmp_path: Path) -> None:
    index = index_of([[1, 2]], tmp_path / "index")
    with pytest.raises(ValueError, match="anchor = 2 is no clause; cnf has 2"):
        index.count_cnf([[[1]], [[2]]], anchor=2)
