"""The mixture of a model and an index by its definition, with counts read aloud."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import torch

from stillhouse.generator.types import Infgram


def naive_mixture(
    corpus: Sequence[list[int]], context: list[int], logits: torch.Tensor, infgram: Infgram,
    end: int,
) -> torch.Tensor:  # fmt: skip
    """Probabilities (vocabulary,) of the next token; documents of the corpus end with `end`."""
    for start in range(len(context)):
        suffix = context[start:]
        follows = Counter(
            ([*one, end])[i + len(suffix)]
            for one in corpus
            for i in range(len(one) - len(suffix) + 1)
            if one[i : i + len(suffix)] == suffix
        )
        if not follows:
            continue
        if len(suffix) < infgram.min_suffix:
            break
        weight = infgram.sparse_weight if len(follows) == 1 else infgram.weight
        chances = torch.zeros_like(logits)
        for token, count in follows.items():
            chances[token] = count / follows.total()
        return (1 - weight) * logits.softmax(-1) + weight * chances
    return logits.softmax(-1)
