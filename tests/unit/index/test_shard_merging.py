"""Answers of shards merged, against the naive answers of all documents together."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.index.shards import merging, spans
from services.index.shards.address import Address
from services.index.shards.drawing import shuffled
from services.index.shards.leaders import Leaders, Unknown, shown
from stillhouse.index.types import Distribution, Probabilities
from tests.unit.native.corpora import index_of, scratch
from tests.unit.native.naive import END, NaiveIndex

tokens = st.integers(0, 3)
texts = st.lists(tokens, max_size=8)
corpora = st.lists(st.lists(texts, max_size=4), min_size=1, max_size=4)
Shards = list[list[list[int]]]


def together(shards: Shards) -> NaiveIndex:
    return NaiveIndex([document for shard in shards for document in shard])


def asked(naive: NaiveIndex, context: list[int], token: int, infgram: bool) -> Probabilities:
    used = naive.longest_suffix(context) if infgram else context
    return Probabilities(*(np.array([one]) for one in naive.prob(used, token)))


def told(naive: NaiveIndex, context: list[int], top: int, infgram: bool) -> Distribution:
    used = naive.longest_suffix(context) if infgram else context
    ids, counts = naive.ntd(used, top)
    following = dict(zip(ids, counts, strict=True))
    end = following.pop(END, 0)
    return Distribution(
        naive.continuations(used).total(),
        len(used),
        len(naive.continuations(used)) == 1,
        np.array(list(following), np.uint32),
        np.array(list(following.values()), np.uint64),
        end,
        np.array(context, np.uint32),
    )


@settings(max_examples=500, deadline=None)
@given(shards=corpora, context=texts, token=tokens | st.just(END), infgram=st.booleans())
def test_probabilities(shards: Shards, context: list[int], token: int, infgram: bool) -> None:
    merged, unclear = merging.probabilities(
        [asked(NaiveIndex(one), context, token, infgram) for one in shards]
    )
    wanted = asked(together(shards), context, token, infgram)
    np.testing.assert_equal(merged.probabilities, wanted.probabilities)
    assert merged.counts == wanted.counts
    assert merged.context_counts == wanted.context_counts
    if wanted.context_counts:
        assert merged.suffix_lengths == wanted.suffix_lengths
    if unclear:
        assert not merged.counts
        assert not merged.sparse
    else:
        assert merged.sparse == wanted.sparse


@settings(max_examples=500, deadline=None)
@given(
    shards=corpora,
    context=texts,
    top=st.integers(0, 4),
    more=st.integers(0, 3),
    infgram=st.booleans(),
)
def test_distributions(
    shards: Shards, context: list[int], top: int, more: int, infgram: bool
) -> None:
    parts = [told(NaiveIndex(one), context, top and top + more, infgram) for one in shards]
    merged = merging.distribution(parts, top)
    if merged is None:
        assert top
        whole = [told(NaiveIndex(one), context, 0, infgram) for one in shards]
        merged = merging.distribution(whole, top)
    assert merged is not None
    wanted = told(together(shards), context, top, infgram)
    assert (merged.context_count, merged.sparse) == (wanted.context_count, wanted.sparse)
    assert merged.tokens.tolist() == wanted.tokens.tolist()
    assert merged.counts.tolist() == wanted.counts.tolist()
    assert merged.end_count == wanted.end_count


@settings(max_examples=500, deadline=None)
@given(
    shards=st.lists(st.lists(st.integers(0, 12), max_size=40), min_size=2, max_size=4),
    top=st.integers(1, 5),
    more=st.integers(0, 4),
)
def test_leaders_from_cut_lists(shards: list[list[int]], top: int, more: int) -> None:
    """Documents of one token: what follows the empty context is the corpus and its ends."""
    naives = [NaiveIndex([[token] for token in shard]) for shard in shards]
    parts = [told(one, [], top + more, infgram=False) for one in naives]
    if merging.distribution(parts, top) is not None:
        return
    held = [number for number, part in enumerate(parts) if part.context_count]
    used = [parts[number] for number in held]
    leaders = Leaders(used, top)
    known = {
        one: naives[held[one.part]].continuations([])[one.outcome] for one in leaders.unknown()
    }
    assert all(one.outcome not in shown(used[one.part]) for one in known)
    ranking = leaders.ranking(known)
    whole = together([[[token] for token in shard] for shard in shards])
    if ranking is not None:
        found = merging.ranked(ranking, used)
        wanted = told(whole, [], top, infgram=False)
        assert found.tokens.tolist() == wanted.tokens.tolist()
        assert found.counts.tolist() == wanted.counts.tolist()
        assert (found.end_count, found.sparse) == (wanted.end_count, wanted.sparse)
        assert found.context_count == wanted.context_count


def test_clear_leaders_need_no_more_than_their_counts() -> None:
    """Two leaders far ahead of what no list shows; only what is missing of them is asked."""
    first = [[1]] * 50 + [[2]] * 9 + [[3]] * 2 + [[4]]
    second = [[2]] * 60 + [[5]] * 3 + [[1]] * 2 + [[6]]
    naives = [NaiveIndex(one) for one in (first, second)]
    lists = [told(one, [], 3, infgram=False) for one in naives]
    assert Leaders(lists, 2).unknown() == []
    assert Leaders(lists, 2).ranking({}) == [(END, 128), (2, 69)]
    assert Leaders(lists, 3).unknown() == [Unknown(1, 1)]
    assert Leaders(lists, 3).ranking({Unknown(1, 1): 2}) == [(END, 128), (2, 69), (1, 52)]
    assert Leaders(lists, 4).ranking({}) is None


def test_what_is_cut_is_not_added_up() -> None:
    """Each shard's second is the first of the whole."""
    shards = [[[1]] * 3 + [[2]] * 2, [[3]] * 3 + [[2]] * 2]
    parts = [told(NaiveIndex(one), [], 1, infgram=False) for one in shards]
    assert merging.distribution(parts, 1) is None


@given(shards=corpora, query=texts)
def test_matches(shards: Shards, query: list[int]) -> None:
    parts = [NaiveIndex(one).match_lengths(query) for one in shards]
    columns = [(np.array(a, np.uint32), np.array(b, np.uint64)) for a, b in parts]
    lengths, counts = merging.matches(columns)
    assert (lengths.tolist(), counts.tolist()) == together(shards).match_lengths(query)


@settings(max_examples=500, deadline=None)
@given(
    documents=st.lists(texts, max_size=5),
    query=st.lists(tokens, max_size=15),
    min_length=st.integers(0, 4),
    delimiters=st.lists(tokens, max_size=2),
    word_starts=st.none() | st.lists(tokens, max_size=3),
)
def test_spans(
    documents: list[list[int]],
    query: list[int],
    min_length: int,
    delimiters: list[int],
    word_starts: list[int] | None,
) -> None:
    naive = NaiveIndex(documents)
    lengths, _ = naive.match_lengths(query)
    starts = None if word_starts is None else np.array(word_starts, np.uint32)
    found = spans.maximal(
        np.array(query, np.uint32),
        np.array(lengths, np.uint32),
        min_length,
        np.array(delimiters, np.uint32),
        starts,
    )
    wanted = naive.attribute(
        query, min_length=min_length, delimiters=delimiters, word_starts=word_starts
    )
    assert found == [(begin, end) for begin, end, _ in wanted]


@settings(max_examples=100, deadline=None)
@given(count=st.integers(0, 30), seed=st.integers(0, 2**64 - 1))
def test_draws_as_the_engine_does(count: int, seed: int) -> None:
    drawn = list(shuffled(count, seed))
    assert sorted(drawn) == list(range(count))
    with scratch() as place, index_of([[5]] * count, Path(place) / "index") as index:
        assert drawn == [one.doc for one in index.search_docs([5], limit=count, seed=seed)]


def test_drawing_remembers_only_what_it_moved() -> None:
    assert len(set(islice(shuffled(10**15, 3), 1000))) == 1000


@pytest.mark.parametrize(
    ("value", "target", "index"),
    [
        ("a:1/x", "a:1", "x"),
        (" a:1 ", "a:1", ""),
        ("dns:///index.svc:50051/part-0", "dns:///index.svc:50051", "part-0"),
        ("dns:///index.svc:50051", "dns:///index.svc:50051", ""),
        ("[::1]:5/x", "[::1]:5", "x"),
    ],
)
def test_addresses(value: str, target: str, index: str) -> None:
    found = Address.parse(value)
    assert (found.target, found.index) == (target, index)
    assert str(found) == value.strip()


@pytest.mark.parametrize("value", ["", "/x", "a:1/x y", "a:1/x/y", "a b:1"])
def test_what_is_no_address(value: str) -> None:
    with pytest.raises(ValueError, match="HOST:PORT/INDEX"):
        Address.parse(value)
