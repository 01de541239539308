"""Suffix order and counts on corpora too large for the naive twin."""

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from stillhouse_native import Index

from tests.unit.native.corpora import (
    de_bruijn,
    fibonacci,
    index_of,
    proves_suffix_order,
    ragged,
    thue_morse,
)

CORPORA: dict[str, list[list[int]]] = {
    "all equal": [[3] * 50_000],
    "all equal, cut": [[3] * n for n in (1, 20_000, 0, 20_000, 7, 10_000)],
    "(ab)^n": [[0, 1] * 25_000],
    "(ab)^n a": [[0, 1] * 25_000 + [0]],
    "ab^n": [[0] + [1] * 40_000],
    "a^n b": [[0] * 40_000 + [1]],
    "ascending": [list(range(70_000))],
    "descending": [list(range(70_000, 0, -1))],
    "Fibonacci": [fibonacci(60_000)],
    "Thue-Morse": [thue_morse(1 << 16)],
    "de Bruijn": [de_bruijn(2, 14), de_bruijn(4, 6)],
    "1,000 equal documents": [[1, 2, 3, 2, 1] * 8] * 1_000,
    "one token each": [[i % 7] for i in range(30_000)],
    "empty between": [[], [1, 2], []] * 5_000,
}


@pytest.mark.parametrize("name", CORPORA)
def test_suffix_order(name: str, tmp_path: Path) -> None:
    """All tokens, in document-bounded suffix order, ties by position."""
    documents = CORPORA[name]
    index = index_of(documents, tmp_path / "index")
    values, offsets = ragged(documents)
    assert proves_suffix_order(np.array(values), offsets, index.positions(0, len(values)))
    assert_bigrams(index, documents)
    assert_tables(index, Index.open(tmp_path / "index", preload=True), values)


def assert_tables(mapped: Index, preloaded: Index, tokens: Sequence[int]) -> None:
    """The tables of preloaded indexes change no answer."""
    starts = np.random.default_rng(8).integers(0, len(tokens) - 30, 60)
    queries = [tokens[i : i + n] for n in (2, 3, 6, 7, 30) for i in starts]
    queries += [[*q[:-1], q[-1] + 1] for q in queries] + [[*q, q[0]] for q in queries]
    batch = ragged(queries)
    for call in ("find_batch", "match_lengths_batch"):
        answers = zip(getattr(mapped, call)(*batch), getattr(preloaded, call)(*batch), strict=True)
        assert all(a.tolist() == b.tolist() for a, b in answers)


def assert_bigrams(index: Index, documents: Sequence[Sequence[int]]) -> None:
    """Bigram counts equal those of a counter; the first few thousand kinds suffice."""
    expected = Counter(pair for d in documents for pair in pairwise(d))
    pairs = list(expected)[:3_000]
    values, offsets = ragged(pairs)
    assert index.count_batch(values, offsets).tolist() == [expected[pair] for pair in pairs]


@pytest.mark.parametrize("distinct", [65_534, 65_535, 65_536, 65_537, 70_000])
def test_symbol_width_switch(distinct: int, tmp_path: Path) -> None:
    """Text is stored in 2 bytes a token below 65,536 distinct ids, else in 4."""
    ids = np.random.default_rng(distinct).permutation(distinct).astype(np.uint32) * 61_000
    tokens = np.concatenate([ids, ids[: distinct // 2]])
    index = index_of([tokens.tolist()], tmp_path / "index")
    width = 2 if distinct < 65_536 else 4
    assert (tmp_path / "index" / "segment-0.text").stat().st_size == 64 + width * (len(tokens) + 1)
    assert index.distinct_tokens == distinct
    assert proves_suffix_order(tokens, [0, len(tokens)], index.positions(0, len(tokens)))
    assert index.document(0).tolist() == tokens.tolist()
    once, twice = ids[-1], ids[0]
    assert index.count_batch([once, twice, once + 1], [0, 1, 2, 3]).tolist() == [1, 2, 0]
    lengths, counts = index.match_lengths(ids[:5])
    assert lengths.tolist() == [5, 4, 3, 2, 1]
    assert counts.tolist() == [2] * 5
    index.verify()


def test_long_all_equal_query(tmp_path: Path) -> None:
    """The longest match is bounded by the longest document."""
    index = index_of([[8] * 1_000, [8] * 3_000], tmp_path / "index")
    lengths, counts = index.match_lengths([8] * 3_500)
    assert lengths.tolist() == [min(3_000, 3_500 - i) for i in range(3_500)]
    fits = [max(0, 1_000 - n + 1) + (3_000 - n + 1) for n in lengths.tolist()]
    assert counts.tolist() == fits


def test_sum_over_continuations(tmp_path: Path) -> None:
    """Occurrences continue with a token or end their document."""
    random = np.random.default_rng(5)
    documents = [
        random.zipf(1.3, size).clip(max=500).tolist() for size in random.integers(0, 200, 300)
    ]
    index = index_of(documents, tmp_path / "index")
    ends = Counter(tuple(document[-2:]) for document in documents if len(document) > 1)
    for pair in list({tuple(d[:2]) for d in documents if len(d) > 1})[:50]:
        values, offsets = ragged([(*pair, token) for token in range(501)])
        assert index.count_batch(values, offsets).sum() + ends[pair] == index.count(pair)
