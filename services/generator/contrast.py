"""Classifier-free guidance: what sets a prompt apart from others weighs more.

Ho and Salimans 2022; for language models Sanchez et al. 2024, section 2.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from services.checkpoints.load import LoadedModel
from services.generator.prompts import encode
from services.generator.written import written_rows
from stillhouse.generator.types import Contrast, Prompt


class Others:
    """The negative prompts of a batch, each followed by what is written behind its prompt.

    `repeats` rows of the batch belong to each prompt; a prompt without a contrast has none here.
    """

    def __init__(
        self, loaded: LoadedModel, prompts: Sequence[Prompt], repeats: int, room: int
    ) -> None:
        """`room`: tokens that will be fed."""
        told = [one.contrast or Contrast((), 1.0) for one in prompts]
        texts = [text for one in told for text in one.negative_prompts]
        self._rows = written_rows(loaded, encode(loaded, texts, room), repeats, room)
        # Row i here follows row owner[i] of the batch.
        numbers = torch.arange(len(prompts) * repeats).view(len(prompts), repeats)
        counts = torch.tensor([len(one.negative_prompts) for one in told])
        self._owner = numbers.repeat_interleave(counts, dim=0).flatten()
        self._scale = torch.tensor([one.guidance_scale for one in told]).repeat_interleave(repeats)

    def told_apart(self, logits: torch.Tensor) -> torch.Tensor:
        """Of the batch's logits (rows, vocabulary) those by which to draw."""
        if not len(self._owner):
            return logits
        own = logits.log_softmax(-1)
        count = torch.bincount(self._owner, minlength=len(own))
        mean = torch.zeros_like(own).index_add_(0, self._owner, self._rows.logits.softmax(-1))
        others = (mean / count.clamp(min=1)[:, None]).clamp(min=_TINY).log()
        others = torch.where((count > 0)[:, None], others, own)
        return others + self._scale[:, None] * (own - others)

    def keep(self, going: torch.Tensor) -> None:
        """Keep only these rows of the batch, a mask (rows,)."""
        here = going[self._owner]
        place = going.cumsum(0) - 1
        self._owner = place[self._owner[here]]
        self._scale = self._scale[going]
        if here.any() and not here.all():
            self._rows.keep(here)

    def feed(self, tokens: torch.Tensor) -> None:
        """Put one token (rows,) behind each row of the batch."""
        if len(self._owner):
            self._rows.feed(tokens[self._owner][:, None])


_TINY = torch.finfo(torch.float32).tiny
