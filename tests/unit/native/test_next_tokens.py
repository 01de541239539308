"""What follows a context, against the naive twin: prob, ntd, infgram, score."""

import math
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stillhouse_native import END, Distribution, Index, Probabilities, Probability

from tests.unit.native.corpora import fibonacci, index_of, ragged, scratch, thue_morse
from tests.unit.native.naive import NaiveIndex

TOP = 2**32 - 1
Queries = Sequence[tuple[int, ...]]


def same_probability(found: Probability, expected: tuple[float, int, int, int, bool]) -> bool:
    ratio = found.probability == expected[0] or math.isnan(found.probability + expected[0])
    return ratio and found[1:] == expected[1:]


def rows(found: Probabilities) -> list[Probability]:
    """A batch's answer, query by query."""
    columns = (column.tolist() for column in found)
    return [Probability(*row) for row in zip(*columns, strict=True)]


def assert_probabilities(
    index: Index, naive: NaiveIndex, contexts: Queries, following: list[int]
) -> None:
    """prob and infgram_prob, single and in a batch."""
    pairs = list(product(contexts, following))
    values, offsets = ragged([context for context, _ in pairs])
    tokens = [token for _, token in pairs]
    whole = rows(index.prob_batch(values, offsets, tokens))
    longest = rows(index.infgram_prob_batch(values, offsets, tokens))
    for i, (context, token) in enumerate(pairs):
        expected = naive.prob(context, token)
        assert same_probability(index.prob(context, token), expected), (context, token)
        assert same_probability(whole[i], expected), (context, token)
        expected = naive.prob(naive.longest_suffix(context), token)
        assert same_probability(index.infgram_prob(context, token), expected), (context, token)
        assert same_probability(longest[i], expected), (context, token)


def assert_distribution(found: Distribution, naive: NaiveIndex, context: Sequence[int]) -> None:
    assert (found.tokens.tolist(), found.counts.tolist()) == naive.ntd(context)
    _, _, total, length, sparse = naive.prob(context, END)
    assert (found.context_count, found.suffix_length, found.sparse) == (total, length, sparse)
    assert found.counts.sum() == total


def assert_distributions(index: Index, naive: NaiveIndex, contexts: Queries) -> None:
    """ntd and infgram_ntd, single, in a batch, and only the most frequent."""
    values, offsets = ragged(contexts)
    for single, batch, used in (
        (index.ntd, index.ntd_batch, list),
        (index.infgram_ntd, index.infgram_ntd_batch, naive.longest_suffix),
    ):
        whole = batch(values, offsets)
        best = batch(values, offsets, top=2)
        for i, context in enumerate(contexts):
            suffix = used(context)
            assert_distribution(single(context), naive, suffix)
            cut = slice(*whole.offsets[i : i + 2].tolist())
            rest = (whole.context_count[i], whole.suffix_length[i], whole.sparse[i])
            assert_distribution(
                Distribution(whole.tokens[cut], whole.counts[cut], *rest), naive, suffix
            )
            top = single(context, top=2)
            assert (top.tokens.tolist(), top.counts.tolist()) == naive.ntd(suffix, 2)
            cut = slice(*best.offsets[i : i + 2].tolist())
            assert best.tokens[cut].tolist() == top.tokens.tolist()
            assert best.counts[cut].tolist() == top.counts.tolist()


def assert_scores(index: Index, naive: NaiveIndex, queries: Queries) -> None:
    """score of every position equals infgram_prob there."""
    values, offsets = ragged(queries)
    batch = rows(index.score_batch(values, offsets))
    for i, query in enumerate(queries):
        expected = [naive.prob(naive.longest_suffix(query[:j]), t) for j, t in enumerate(query)]
        for found in (rows(index.score(query)), batch[offsets[i] : offsets[i + 1]]):
            assert len(found) == len(expected)
            assert all(map(same_probability, found, expected)), query


def assert_next(index: Index, naive: NaiveIndex, queries: Queries, following: list[int]) -> None:
    assert_probabilities(index, naive, queries, following)
    assert_distributions(index, naive, queries)
    assert_scores(index, naive, queries)


def documents_of(alphabet: tuple[int, ...], longest: int) -> Iterator[list[tuple[int, ...]]]:
    """Up to two documents that together have at most so many tokens."""
    for n in range(longest + 1):
        for tokens in product(alphabet, repeat=n):
            for cut in range(n + 1):
                yield [tokens[:cut], tokens[cut:]]


@pytest.mark.parametrize(
    ("alphabet", "longest", "query"), [((5,), 6, 5), ((0, 9), 5, 3), ((2, 3, TOP), 3, 2)]
)
def test_exhaustive(alphabet: tuple[int, ...], longest: int, query: int) -> None:
    queries = [q for n in range(query + 1) for q in product(alphabet, repeat=n)]
    queries += [(4,), (4, *alphabet), (*alphabet, 4, alphabet[0])]
    following = [END, 4, *alphabet]
    for number, documents in enumerate(documents_of(alphabet, longest)):
        naive = NaiveIndex(documents)
        with scratch() as place, index_of(documents, Path(place) / "i") as index:
            assert_next(index, naive, queries, following)
            if number % 8 == 0:
                preloaded = Index.open(Path(place) / "i", preload=True)
                assert_next(preloaded, naive, queries, following)


@pytest.mark.parametrize(
    "documents",
    [
        [],
        [()],
        [(), ()],
        [(7,)],
        [(7,), (), (7,)],
        [(0,), (0, 0), (0, 0, 0)],
        [(TOP,), (0, TOP), (TOP, 0), (TOP, TOP)],
        [(1, 2, 3)] * 30,
        [tuple(fibonacci(60)), tuple(thue_morse(40))],
    ],
)
def test_special_corpora(documents: list[tuple[int, ...]], tmp_path: Path) -> None:
    ids = sorted({0, 1, 7, TOP, *(t for d in documents for t in d)})
    queries = [q for n in range(3) for q in product(ids, repeat=n)]
    queries += [tuple(d) for d in documents[:3]] + [(7, *documents[0], 1) if documents else ()]
    naive = NaiveIndex(documents)
    assert_next(index_of(documents, tmp_path / "index"), naive, queries, [END, *ids])


ids = st.one_of(st.integers(0, 3), st.sampled_from([65535, 65536, 2**31, TOP]))
texts = st.lists(ids, max_size=12)


@settings(max_examples=150, deadline=None)
@given(
    documents=st.lists(texts, max_size=6),
    queries=st.lists(texts.map(tuple), max_size=4),
    token=ids,
    preload=st.booleans(),
)
def test_random(
    documents: list[list[int]], queries: list[tuple[int, ...]], token: int, preload: bool
) -> None:
    queries += [tuple(document) for document in documents[:2]]
    with scratch() as place:
        index = index_of(documents, Path(place) / "index", preload=preload)
        assert_next(index, NaiveIndex(documents), queries, [END, token])


def test_long_contexts(tmp_path: Path) -> None:
    """Suffixes of hundreds of tokens, where rounds of lengths and narrowing take over."""
    random = np.random.default_rng(2)
    base = random.integers(0, 3, 150).tolist()
    documents = [base, [*base[40:], 9], [8, *base[:90]], base[100:]]
    queries = [(*random.integers(0, 3, 50).tolist(), *base[a:b]) for a, b in ((0, 150), (7, 99))]
    queries += [tuple(base[:100] * 2), tuple(base)]
    naive = NaiveIndex(documents)
    assert_next(index_of(documents, tmp_path / "index"), naive, queries, [END, 9, 0, 1])


def large_corpus() -> list[list[int]]:
    """Enough tokens for the tables that small indexes do without."""
    random = np.random.default_rng(12)
    words = random.zipf(1.2, 90_000).clip(max=400)
    return [part.tolist() for part in np.split(words, np.sort(random.integers(0, 90_000, 500)))]


@pytest.mark.parametrize("preload", [False, True])
def test_sums_and_batches_of_a_large_corpus(preload: bool, tmp_path: Path) -> None:
    """Invariants: ntd sums to the count, agrees with prob; batches on threads equal single."""
    documents = large_corpus()
    index = index_of(documents, tmp_path / "index", preload=preload)
    queries = [tuple(d[:n]) for d in documents[:120] for n in (1, 2, 3) if len(d) >= n]
    values, offsets = ragged(queries)
    found = index.ntd_batch(values, offsets, threads=2)
    assert found.context_count.tolist() == [index.count(q) for q in queries]
    sums = np.add.reduceat(found.counts, found.offsets[:-1].astype(np.int64))
    assert sums.tolist() == found.context_count.tolist()
    for i, query in enumerate(queries[:60]):
        start, stop = found.offsets[i : i + 2].tolist()
        single = index.ntd(query)
        assert single.tokens.tolist() == found.tokens[start:stop].tolist()
        assert single.counts.tolist() == found.counts[start:stop].tolist()
        for token, count in list(zip(single.tokens, single.counts, strict=True))[:20]:
            assert index.prob(query, token).count == count
        with_token, cuts = ragged([(*query, t) for t in single.tokens.tolist() if t != END])
        counts = index.count_batch(with_token, cuts).tolist()
        assert counts == [c for t, c in zip(single.tokens, single.counts, strict=True) if t != END]
    following = [d[3] if len(d) > 3 else END for d in documents for _ in (1, 2, 3)][: len(queries)]
    for single_call, batch in (
        (index.prob, index.prob_batch),
        (index.infgram_prob, index.infgram_prob_batch),
    ):
        expected = [single_call(q, t) for q, t in zip(queries, following, strict=True)]
        assert all(
            map(same_probability, rows(batch(values, offsets, following, threads=2)), expected)
        )


def test_score_of_a_large_corpus(tmp_path: Path) -> None:
    """Every position as infgram_prob tells, whether or not the text occurs."""
    documents = large_corpus()
    mapped = index_of(documents, tmp_path / "index")
    preloaded = Index.open(tmp_path / "index", preload=True)
    texts = [d[:80] for d in documents[:10]] + [
        np.random.default_rng(4).integers(0, 420, 120).tolist()
    ]
    values, offsets = ragged(texts)
    scores = rows(mapped.score_batch(values, offsets, threads=2))
    assert all(map(same_probability, rows(preloaded.score_batch(values, offsets)), scores))
    for q, text in enumerate(texts):
        for i, token in enumerate(text):
            assert same_probability(scores[offsets[q] + i], mapped.infgram_prob(text[:i], token))


@pytest.mark.parametrize("copies", [1, 63, 64, 65, 200])
def test_longest_suffix_of_frequent_ends(copies: int, tmp_path: Path) -> None:
    """Suffixes that occur few times are looked up in the text, frequent ones searched."""
    end = list(range(1, 12))
    documents = [[20 + i % 5, 30 + i % 7, *end, 40 + i % 2] for i in range(copies)] + [[*end], [50]]
    index, naive = index_of(documents, tmp_path / "index"), NaiveIndex(documents)
    contexts = [
        [*before, *end[drop:]]
        for before in ([], [30], [20, 30], [24, 30], [21, 31], [9, 22, 32], [99, 23], [40, 20, 30])
        for drop in (0, 3, 8, 10)
    ]
    assert_probabilities(index, naive, [tuple(c) for c in contexts], [40, 41, END, 2])
    assert_distributions(index, naive, [tuple(c) for c in contexts])
