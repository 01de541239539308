"""From the answers of a model and of an index to one row of tokens."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from services.experiments.interpolation import Positions
from services.experiments.language_model import TokenScores
from services.experiments.ngram_scores import in_long_matches
from services.experiments.perplexity import TextSet
from services.experiments.smoothing import Order
from stillhouse.index.types import Scores


def text_set(
    ngrams: Sequence[Scores],
    model: Sequence[TokenScores],
    orders: Sequence[Order],
    domains: tuple[str, ...],
    long_match: int,
) -> TextSet:
    """One entry of `ngrams`, `model` and `domains` a document; orders of all tokens in a row."""
    positions = Positions(
        model=np.exp(np.concatenate([one.logprobs for one in model]).astype(float)),
        ngram=np.concatenate([one.probabilities for one in ngrams]),
        lengths=np.concatenate([one.suffix_lengths for one in ngrams]).astype(np.int64),
        counts=np.concatenate([one.context_counts for one in ngrams]).astype(np.int64),
        sparse=np.concatenate([one.sparse for one in ngrams]),
        entropy=np.concatenate([one.entropies for one in model]).astype(float),
    )
    sizes = [len(one.tokens) for one in ngrams]
    return TextSet(
        positions,
        orders,
        np.repeat(np.arange(len(sizes)), sizes),
        domains,
        np.concatenate([in_long_matches(one, long_match) for one in ngrams]),
    )
