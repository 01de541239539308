from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from services.trainer.buffer import TrainingBuffer, jaccard, word_trigrams
from stillhouse.filter.types import Candidate, Verdict


def candidate(number: int, text: str) -> Candidate:
    return Candidate(f"id{number}", "source", number, text)


def fill(texts: list[str], threshold: float = 0.6) -> TrainingBuffer:
    buffer = TrainingBuffer(threshold)
    candidates = [candidate(i, text) for i, text in enumerate(texts)]
    buffer.add(candidates, [Verdict(one.id, True) for one in candidates])
    return buffer


def naive_accepted(texts: list[str], threshold: float) -> list[str]:
    """Every text against every text kept before it."""
    kept: list[str] = []
    for text in texts:
        grams = word_trigrams(text)
        if all(jaccard(grams, word_trigrams(other)) < threshold for other in kept):
            kept.append(text)
    return kept


def test_a_near_duplicate_of_a_kept_sample_is_rejected() -> None:
    buffer = fill(
        [
            "A heap keeps its smallest element at index zero of the array.",
            "A heap keeps its smallest element at index zero of the array!",
            "The parser reads options from the command line.",
        ]
    )
    assert [row.verdict.accepted for row in buffer.rows] == [True, False, True]
    rejected = buffer.rows[1].verdict
    assert (rejected.layer, rejected.reason) == ("near_duplicate", "near_duplicate.in_buffer")
    assert rejected.scores["near_duplicate.similarity"] == 1.0


def test_rejected_candidates_keep_their_verdict_and_block_nobody() -> None:
    buffer = TrainingBuffer(0.6)
    text = "The same few words in the same order"
    verdicts = [Verdict("id0", False, "brevity", "brevity.too_long"), Verdict("id1", True)]
    assert buffer.add([candidate(0, text), candidate(1, text)], verdicts) == 1
    assert buffer.rows[0].verdict.reason == "brevity.too_long"
    assert [row.candidate.id for row in buffer.accepted] == ["id1"]


def test_batches_or_all_at_once_is_the_same() -> None:
    rng = random.Random(4)
    words = ["heap", "array", "parser", "reads", "keeps", "small"]
    texts = [" ".join(rng.choices(words, k=6)) for _ in range(60)]
    whole = fill(texts)
    parts = TrainingBuffer(0.6)
    for start in range(0, 60, 7):
        candidates = [candidate(start + i, t) for i, t in enumerate(texts[start : start + 7])]
        parts.add(candidates, [Verdict(one.id, True) for one in candidates])
    assert whole.rows == parts.rows


@given(st.lists(st.lists(st.sampled_from("abcd"), min_size=1, max_size=9), max_size=25))
@settings(max_examples=60, deadline=None)
def test_agrees_with_comparing_all_pairs(texts: list[list[str]]) -> None:
    """MinHash may overlook a pair near the threshold; equal texts it never does."""
    joined = [" ".join(text) for text in texts]
    kept = [row.candidate.text for row in fill(joined, threshold=1.0).accepted]
    assert kept == naive_accepted(joined, 1.0)


def test_trigrams_of_short_texts() -> None:
    assert word_trigrams("Two words") == {"two words"}
    assert word_trigrams("") == {""}
    assert word_trigrams("a b c d") == {"a b c", "b c d"}
