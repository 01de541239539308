"""Figures of sets of texts against slow twins and hand counts."""

from __future__ import annotations

import math
from collections import Counter
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stillhouse.text import diversity

TEXTS = st.lists(
    st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=8), min_size=2, max_size=5
)


def grams(text: list[str], n: int) -> list[tuple[str, ...]]:
    return [tuple(text[i : i + n]) for i in range(len(text)) if i + n <= len(text)]


def bleu(text: list[str], references: list[list[str]]) -> float:
    """BLEU-4 from its definition (Papineni et al. 2002), 0.1 for no match."""
    product = 1.0
    for n in (1, 2, 3, 4):
        own = Counter(grams(text, n))
        matched = sum(
            min(count, max(Counter(grams(one, n))[gram] for one in references))
            for gram, count in own.items()
        )
        product *= (matched or 0.1) / max(1, sum(own.values()))
    closest = min((abs(len(one) - len(text)), len(one)) for one in references)[1]
    penalty = 1 if len(text) > closest else math.exp(1 - closest / len(text))
    return float(penalty * product**0.25)


@given(TEXTS)
def test_self_bleu_against_its_definition(texts: list[list[str]]) -> None:
    wanted = [bleu(text, texts[:i] + texts[i + 1 :]) for i, text in enumerate(texts)]
    assert diversity.self_bleu(texts) == pytest.approx(sum(wanted) / len(wanted))


def test_self_bleu_by_hand() -> None:
    same = ["a", "b", "c", "d", "e"]
    assert diversity.self_bleu([same, same]) == pytest.approx(1)
    # 1/2, then no bigram, and no 3- or 4-gram to match
    assert diversity.self_bleu([["a", "b"], ["a", "c"]]) == pytest.approx(
        (1 / 2 * 0.1 * 0.1 * 0.1) ** 0.25
    )


@given(TEXTS, st.integers(1, 3))
def test_entropy_and_distinct_against_counting(texts: list[list[str]], n: int) -> None:
    every = [gram for text in texts for gram in grams(text, n)]
    if not every:
        assert math.isnan(diversity.entropy(texts, n))
        assert math.isnan(diversity.distinct(texts, n))
        return
    shares = [every.count(gram) / len(every) for gram in set(every)]
    wanted = sum(share * math.log2(1 / share) for share in shares)
    assert diversity.entropy(texts, n) == pytest.approx(wanted)
    assert diversity.distinct(texts, n) == len(set(every)) / len(every)


@given(TEXTS)
def test_jaccard_against_its_definition(texts: list[list[str]]) -> None:
    wanted = [len(set(a) & set(b)) / len(set(a) | set(b)) for a, b in combinations(texts, 2)]
    assert diversity.mean_jaccard(texts) == pytest.approx(sum(wanted) / len(wanted))


def test_msttr_takes_whole_segments_only() -> None:
    assert diversity.msttr([["a", "b", "a"], ["a", "c"]], 2) == (1 + 0.5) / 2
    assert math.isnan(diversity.msttr([["a"]], 2))
