from __future__ import annotations

import random
from pathlib import Path

import pytest
from datasketch import MinHash, MinHashLSH
from hypothesis import given, settings
from hypothesis import strategies as st

from services.trainer.near_duplicates import NearDuplicates, jaccard, word_trigrams
from stillhouse.filter.types import Candidate, Verdict

SIMILARITY = "near_duplicate.similarity"
WORDS = ["heap", "array", "parser", "reads", "keeps", "small"]


def candidate(number: int, text: str) -> Candidate:
    return Candidate(f"id{number}", "source", number, text)


@pytest.mark.parametrize(
    ("one", "other"),
    [("कि वह जा", "का वही जी"), ("كِتَابٌ في بيت", "كُتُب في بيت")],
)
def test_words_that_differ_in_marks_differ(one: str, other: str) -> None:
    assert word_trigrams(one) != word_trigrams(other)
    assert len(word_trigrams(one)) == 1


def test_canonically_equal_texts_are_duplicates() -> None:
    assert word_trigrams("Zu\u0308rich liegt da") == word_trigrams("Zürich liegt da")


def passed(texts: list[str], first: int = 0) -> tuple[list[Candidate], list[Verdict]]:
    """Texts that every layer passed."""
    candidates = [candidate(first + place, text) for place, text in enumerate(texts)]
    return candidates, [Verdict(one.id, True) for one in candidates]


def judge(texts: list[str], threshold: float = 0.6) -> list[Verdict]:
    return NearDuplicates(threshold).judge(*passed(texts))


def by_datasketch(texts: list[str], threshold: float) -> list[float]:
    """The similarities, with everything in memory and datasketch's own tables."""
    index = MinHashLSH(threshold=max(0.1, threshold - 0.2), num_perm=128)
    kept: dict[int, frozenset[str]] = {}
    found = []
    for place, text in enumerate(texts):
        grams = word_trigrams(text)
        signature = MinHash(num_perm=128, seed=1)
        signature.update_batch([one.encode() for one in sorted(grams)])
        nearest = max((jaccard(grams, kept[key]) for key in index.query(signature)), default=0.0)
        found.append(nearest)
        if nearest < threshold:
            index.insert(place, signature)
            kept[place] = grams
    return found


def naive_accepted(texts: list[str], threshold: float) -> list[str]:
    """Every text against every text kept before it."""
    kept: list[str] = []
    for text in texts:
        grams = word_trigrams(text)
        if all(jaccard(grams, word_trigrams(other)) < threshold for other in kept):
            kept.append(text)
    return kept


def test_a_near_duplicate_of_a_kept_sample_is_rejected() -> None:
    first, rejected, third = judge(
        [
            "A heap keeps its smallest element at index zero of the array.",
            "A heap keeps its smallest element at index zero of the array!",
            "The parser reads options from the command line.",
        ]
    )
    assert (first.accepted, third.accepted) == (True, True)
    assert (rejected.layer, rejected.reason) == ("near_duplicate", "near_duplicate.in_buffer")
    assert rejected.scores[SIMILARITY] == 1.0


def test_rejected_candidates_keep_their_verdict_and_block_nobody() -> None:
    text = "The same few words in the same order"
    verdicts = [Verdict("id0", False, "brevity", "brevity.too_long"), Verdict("id1", True)]
    final = NearDuplicates(0.6).judge([candidate(0, text), candidate(1, text)], verdicts)
    assert final[0] == verdicts[0]
    assert final[1] == Verdict("id1", True, scores={SIMILARITY: 0.0})


@given(st.lists(st.lists(st.sampled_from("abcd"), min_size=1, max_size=9), max_size=25))
@settings(max_examples=60, deadline=None)
def test_agrees_with_comparing_all_pairs(texts: list[list[str]]) -> None:
    """MinHash may overlook a pair near the threshold; equal texts it never does."""
    joined = [" ".join(text) for text in texts]
    final = judge(joined, threshold=1.0)
    kept = [text for text, verdict in zip(joined, final, strict=True) if verdict.accepted]
    assert kept == naive_accepted(joined, 1.0)


@given(
    st.lists(st.lists(st.sampled_from(WORDS), max_size=9), max_size=40),
    st.sampled_from([0.2, 0.6, 1.0]),
)
@settings(max_examples=60, deadline=None)
def test_finds_what_datasketch_finds(texts: list[list[str]], threshold: float) -> None:
    joined = [" ".join(text) for text in texts]
    found = [one.scores[SIMILARITY] for one in judge(joined, threshold)]
    assert found == by_datasketch(joined, threshold)


@pytest.mark.parametrize("size", [5, 40])
def test_flushed_reopened_or_all_in_memory_is_the_same(tmp_path: Path, size: int) -> None:
    """Also where the index was killed after a flush that nobody took note of."""
    rng = random.Random(4)
    texts = [" ".join(rng.choices(WORDS, k=6)) for _ in range(120)]
    found: list[Verdict] = []
    state = None
    for start in range(0, len(texts), size):
        batch = passed(texts[start : start + size], start)
        killed = NearDuplicates(0.6, tmp_path, state)
        killed.judge(*batch)
        killed.flush()
        index = NearDuplicates(0.6, tmp_path, state)
        found += index.judge(*batch)
        state = index.flush()
        index.tidy()
    assert found == judge(texts)


def test_trigrams_of_short_texts() -> None:
    assert word_trigrams("Two words") == {"two words"}
    assert word_trigrams("") == {""}
    assert word_trigrams("a b c d") == {"a b c", "b c d"}
