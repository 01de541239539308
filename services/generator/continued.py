"""Rows of text in progress that a causal model continues; a prompt is read once for its rows."""

from __future__ import annotations

import torch
from transformers import DynamicCache

from services.checkpoints.load import LoadedModel
from services.generator.cache import empty, spread
from services.generator.shared import SharedPrompts, reading, shares


class CausalRows:
    """`repeats` rows for each prompt; logits: (rows, vocabulary), of the next token of each."""

    logits: torch.Tensor

    def __init__(
        self, loaded: LoadedModel, encoded: dict[str, torch.Tensor], repeats: int, room: int
    ) -> None:
        """Read prompts, padded on the left: input_ids and attention_mask (n, length).

        `room`: tokens that will be fed.
        """
        self._loaded = loaded
        self._mask = encoded["attention_mask"].repeat_interleave(repeats, dim=0)
        self._positions = self._mask.sum(dim=-1)
        self._cache = DynamicCache(config=loaded.model.config)
        logits = loaded.model(
            **encoded,
            position_ids=(encoded["attention_mask"].cumsum(-1) - 1).clamp(min=0),
            past_key_values=self._cache,
            logits_to_keep=1,
        ).logits[:, -1]
        self.logits = logits.repeat_interleave(repeats, dim=0)
        self._prompts: SharedPrompts | None = None
        if shares(loaded.model):
            lengths = encoded["attention_mask"].sum(dim=-1).tolist()
            self._prompts = SharedPrompts.of(self._cache, lengths, repeats)
            empty(self._cache)
        spread(self._cache, repeats, room)

    def keep(self, going: torch.Tensor) -> None:
        """Keep only these rows, a mask (rows,)."""
        self._mask = self._mask[going]
        if self._prompts is not None:
            self._prompts.keep(going)
        self._positions = self._positions[going]
        self._cache.batch_select_indices(going.nonzero()[:, 0])

    def feed(self, tokens: torch.Tensor) -> None:
        """Put one token (rows, 1) behind each row."""
        self._mask = torch.cat([self._mask, self._mask.new_ones(len(tokens), 1)], dim=-1)
        with reading(self._prompts):
            self.logits = self._loaded.model(
                input_ids=tokens,
                attention_mask=None if self._prompts else self._mask,
                position_ids=self._positions[:, None],
                past_key_values=self._cache,
            ).logits[:, -1]
        self._positions = self._positions + 1
