"""What a set of summaries is like: diversity, compression, abstractiveness.

Pure, over pairs of texts. Every figure depends on the tokenizer and on how many texts there
are, so only sets of the same size are compared, all cut by `stillhouse.text.words`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from stillhouse.text.diversity import (
    SEGMENT,
    distinct,
    entropy,
    mean,
    mean_jaccard,
    msttr,
    self_bleu,
)
from stillhouse.text.fragments import fragments, novel_share
from stillhouse.text.words import words


@dataclass(frozen=True, slots=True)
class Quality:
    """Figures of one set; shares are 0 to 1, entropies in bits, lengths in words."""

    distinct_1: float
    distinct_2: float
    distinct_3: float
    msttr: float
    self_bleu: float
    jaccard: float
    h2: float
    h3: float
    compression: float
    coverage: float
    density: float
    novel_1: float
    novel_2: float
    novel_3: float


def measure(pairs: Sequence[tuple[str, str]]) -> Quality:
    """The figures of (document, summary) pairs."""
    texts = [words(summary) for _, summary in pairs]
    found = [fragments(summary, document) for document, summary in pairs]
    novel = {n: mean(novel_share(words(y), words(x), n) for x, y in pairs) for n in (1, 2, 3)}
    return Quality(
        distinct_1=distinct(texts, 1),
        distinct_2=distinct(texts, 2),
        distinct_3=distinct(texts, 3),
        msttr=msttr(texts, SEGMENT),
        self_bleu=self_bleu(texts),
        jaccard=mean_jaccard(texts),
        h2=entropy(texts, 2),
        h3=entropy(texts, 3),
        compression=mean(len(words(y)) / max(1, len(words(x))) for x, y in pairs),
        coverage=mean(one.coverage for one in found),
        density=mean(one.density for one in found),
        novel_1=novel[1],
        novel_2=novel[2],
        novel_3=novel[3],
    )
