"""Spans of a text with their documents, and documents drawn at random."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stillhouse_native import Index, Span

from tests.unit.native.corpora import index_of, ragged, scratch
from tests.unit.native.naive import NaiveIndex

tokens = st.integers(0, 4)
texts = st.lists(tokens, max_size=15)


def outlines(spans: list[Span]) -> list[tuple[int, int, int]]:
    return [(span.start, span.stop, span.count) for span in spans]


@settings(max_examples=400, deadline=None)
@given(
    documents=st.lists(texts, max_size=5),
    query=texts,
    min_length=st.integers(0, 4),
    max_count=st.none() | st.integers(0, 5),
    delimiters=st.lists(tokens, max_size=2),
    word_starts=st.none() | st.lists(tokens, max_size=3),
)
def test_spans(
    documents: list[list[int]],
    query: list[int],
    min_length: int,
    max_count: int | None,
    delimiters: list[int],
    word_starts: list[int] | None,
) -> None:
    naive = NaiveIndex(documents)
    with scratch() as place, index_of(documents, Path(place) / "index") as index:
        found = index.attribute(
            query,
            min_length=min_length,
            max_count=max_count,
            delimiters=delimiters,
            word_starts=word_starts,
            limit=3,
        )
        expected = naive.attribute(
            query,
            min_length=min_length,
            max_count=max_count,
            delimiters=delimiters,
            word_starts=word_starts,
        )
        assert outlines(found) == expected
        for span in found:
            part = query[span.start : span.stop]
            places = list(zip(span.docs.tolist(), span.offsets.tolist(), strict=True))
            assert len(set(places)) == len(places) == min(3, span.count)
            assert all(naive.docs[d][o : o + len(part)] == part for d, o in places)


def test_batch_equals_single(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    documents = [random.integers(0, 6, 40).tolist() for _ in range(20)]
    index = index_of(documents, tmp_path / "index")
    queries = [random.integers(0, 7, n).tolist() for n in (0, 1, 30, 50)]
    batch = index.attribute_batch(*ragged(queries), min_length=2, delimiters=[5])
    for query, spans in zip(queries, batch, strict=True):
        single = index.attribute(query, min_length=2, delimiters=[5])
        assert outlines(spans) == outlines(single)
        assert [s.docs.tolist() for s in spans] == [s.docs.tolist() for s in single]


@settings(max_examples=200, deadline=None)
@given(
    documents=st.lists(texts, max_size=8),
    query=st.lists(tokens, max_size=3),
    limit=st.integers(0, 9),
    seed=st.integers(0, 2**64 - 1),
)
def test_search_docs(documents: list[list[int]], query: list[int], limit: int, seed: int) -> None:
    naive = NaiveIndex(documents)
    holders = {d for d, i in naive.starts_of([query]) if i < len(naive.docs[d])}
    with scratch() as place, index_of(documents, Path(place) / "index") as index:
        found = index.search_docs(query, limit=limit, seed=seed)
        assert len({o.doc for o in found}) == len(found) == min(limit, len(holders))
        for occurrence in found:
            document = naive.docs[occurrence.doc]
            assert occurrence.tokens.tolist() == document
            assert document[occurrence.offset : occurrence.offset + len(query)] == query
        again = index.search_docs_batch(*ragged([query, query]), limit=limit, seed=seed)
        places = [(o.doc, o.offset) for o in found]
        assert [[(o.doc, o.offset) for o in batch] for batch in again] == [places, places]


def test_search_docs_draws_every_document_alike(tmp_path: Path) -> None:
    """Over many seeds each of ten equal documents comes first about as often."""
    index = index_of([[1, 2]] * 10, tmp_path / "index")
    first = [index.search_docs([1, 2], limit=1, seed=seed)[0].doc for seed in range(1_000)]
    assert np.bincount(first, minlength=10).min() > 60


def test_doc_by_position(tmp_path: Path) -> None:
    documents = [[], [4, 5], [], [6], [7, 8, 9], []]
    index = index_of(documents, tmp_path / "index")
    naive = NaiveIndex(documents)
    for position, found in enumerate(index.doc_by_position_batch(range(6))):
        assert (found.doc, found.offset) == naive.place_of_position(position)
        assert found.tokens.tolist() == documents[found.doc]
        assert index.doc_by_position(position).doc == found.doc
    assert [o.doc for o in index.doc_by_rank_batch(range(6))] == [1, 1, 3, 4, 4, 4]


@pytest.mark.parametrize("offsets", [[], [1, 2], [0, 1], [0, 2, 1, 2]])
def test_refuses_offsets(offsets: list[int], tmp_path: Path) -> None:
    index: Index = index_of([[1, 2]], tmp_path / "index")
    for call in (index.attribute_batch, index.search_docs_batch, index.score_batch):
        with pytest.raises(ValueError, match="offsets"):
            call([1, 2], offsets)
    with pytest.raises(ValueError, match="offsets"):
        index.prob_batch([1, 2], offsets, [1])
