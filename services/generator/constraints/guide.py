"""Sampling under clauses and along outlines: each sample keeps its own place in them.

Barred tokens lose all their mass; tokens that begin or continue a wanted phrase gain
some; and when only as many tokens are left as the wanted phrases take, they are forced.
"""

from __future__ import annotations

import numpy as np
import torch

from services.checkpoints.vocabulary import Vocabulary
from services.generator.constraints.outline import Compression, Reading
from services.generator.constraints.tracker import Constraints, Standing
from stillhouse.generator.types import Decoding, Prompt

_SPARE = 2  # tokens left for a word that has to end, and for the end itself


class Guide:
    """The samples of one prompt; they share its constraints and differ in where they stand."""

    def __init__(self, prompt: Prompt, vocabulary: Vocabulary, decoding: Decoding) -> None:
        self._constraints = Constraints(prompt.constraints, vocabulary)
        self._decoding = decoding
        self._standings: dict[int, Standing] = {}
        self._compression = Compression(prompt.outline, vocabulary) if prompt.outline else None
        self._readings: dict[int, Reading] = {}

    def advance(self, sample: int, token: int) -> None:
        """A sample has drawn `token`."""
        self._standings[sample] = self._constraints.advance(self._standing(sample), token)
        if self._compression is not None:
            reading = self._reading(sample, self._compression)
            self._readings[sample] = self._compression.advance(reading, token)

    def steer(self, sample: int, logits: torch.Tensor, step: int) -> None:
        """Change the logits (vocabulary,) of a sample's next token, its `step`-th."""
        standing = self._standing(sample)
        left = self._decoding.max_new_tokens - step
        barred = self._constraints.barred(standing, last=left == 1)
        if left <= self._constraints.longest + _SPARE:
            barred = barred | self._constraints.undoing(standing)
        if self._compression is not None:
            reading = self._reading(sample, self._compression)
            strays = np.ones(len(barred), bool)
            strays[self._compression.allowed(reading)] = False
            barred = barred | strays
        size = min(len(barred), len(logits))
        free = logits[:size].masked_fill(torch.from_numpy(barred[:size]), -torch.inf)
        if not bool(free.isfinite().any()):
            return  # it goes on as it can; what it fails to meet is told of the sample
        logits[:size] = free
        logits[size:] = -torch.inf
        proposals = [one for one in self._constraints.proposals(standing) if one < size]
        if not proposals:
            return
        logits[proposals] += self._decoding.guidance
        needed = self._constraints.shortest_step(standing)
        if needed is not None and left <= self._constraints.remaining(standing) + _SPARE:
            forced = float(logits[needed])
            if forced > -torch.inf:
                logits[:] = -torch.inf
                logits[needed] = forced

    def satisfied(self, text: str) -> tuple[bool, ...]:
        """For each clause, and last for the outline if there is one, whether a text holds to it."""
        along = () if self._compression is None else (self._compression.holds(text),)
        return self._constraints.holds(text) + along

    def _standing(self, sample: int) -> Standing:
        return self._standings.get(sample, Standing())

    def _reading(self, sample: int, compression: Compression) -> Reading:
        return self._readings.get(sample, compression.start)
