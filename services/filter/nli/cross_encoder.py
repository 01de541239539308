"""Premise and hypothesis read together by one classifier: p(entailment) of each question.

Which library runs the model is behind `Logits`; cutting texts into tokens, batches by
length and the softmax are the same for all.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

from services.filter.layers.base import Entailment, Inference
from services.filter.nli.checkpoint import Checkpoint

Ids = NDArray[np.int64]
Logits = Callable[[Ids, Ids, Ids], NDArray[np.float64]]
"""(token ids, mask, token types), each (rows, length), to logits (rows, classes)."""


class CrossEncoder:
    """Answers questions in a thread of its own, one call after the other."""

    def __init__(
        self, logits: Logits, tokenizer: Tokenizer, checkpoint: Checkpoint, pass_tokens: int
    ) -> None:
        """`pass_tokens` bounds rows times length of what the model is given at once."""
        tokenizer.no_truncation()
        tokenizer.no_padding()
        self._logits = logits
        self._tokenizer = tokenizer
        self._checkpoint = checkpoint
        self._pass_tokens = pass_tokens
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="nli")

    async def entail(self, questions: Sequence[Inference]) -> list[Entailment]:
        """One answer per question, in order."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self.judge, questions)

    def judge(self, questions: Sequence[Inference]) -> list[Entailment]:
        """As `entail`, here and now."""
        encoded = self._tokenizer.encode_batch([(q.premise, q.hypothesis) for q in questions])
        lengths = [len(one) for one in encoded]
        limit = self._checkpoint.length
        answers = [Entailment(math.nan, max(0, length - limit)) for length in lengths]
        readable = [place for place, length in enumerate(lengths) if length <= limit]
        for rows in passes(lengths, readable, self._pass_tokens):
            for place, value in zip(rows, self._probabilities(encoded, rows), strict=True):
                answers[place] = Entailment(float(value))
        return answers

    def _probabilities(
        self, encoded: Sequence[Encoding], rows: Sequence[int]
    ) -> NDArray[np.float64]:
        width = max(len(encoded[row]) for row in rows)
        ids = np.full((len(rows), width), self._checkpoint.pad, dtype=np.int64)
        mask, types = np.zeros_like(ids), np.zeros_like(ids)
        for place, row in enumerate(rows):
            length = len(encoded[row])
            ids[place, :length] = encoded[row].ids
            mask[place, :length] = 1
            if self._checkpoint.typed:
                types[place, :length] = encoded[row].type_ids
        logits = self._logits(ids, mask, types)
        chosen: NDArray[np.float64] = softmax(logits)[:, self._checkpoint.entailment]
        return chosen


def passes(lengths: Sequence[int], places: Sequence[int], budget: int) -> Iterator[list[int]]:
    """`places` by ascending length, in groups whose rows times longest is at most `budget`;
    one alone may exceed it.
    """
    group: list[int] = []
    for place in sorted(places, key=lambda one: (lengths[one], one)):
        if group and (len(group) + 1) * lengths[place] > budget:
            yield group
            group = []
        group.append(place)
    if group:
        yield group


def softmax(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """Of each row; NaN where a logit is no number."""
    with np.errstate(invalid="ignore"):
        shifted = np.exp(np.float64(logits) - np.max(logits, axis=-1, keepdims=True))
        shares: NDArray[np.float64] = shifted / shifted.sum(axis=-1, keepdims=True)
    return shares
