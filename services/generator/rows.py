"""Rows of text in progress, each with its key-value cache, that may be forked at will."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from transformers import DynamicCache

from services.checkpoints.load import LoadedModel
from services.generator.encoded import EncodedRows


class Rows(Protocol):
    """n texts that a model has read; never changed, `extend` makes new ones."""

    @property
    def logprobs(self) -> torch.Tensor:
        """Of the next token of each: (n, vocabulary)."""
        ...

    def extend(self, rows: Sequence[int], tokens: Sequence[int]) -> Rows:
        """For each i the text of row `rows[i]` with `tokens[i]` behind it."""
        ...


def read_rows(loaded: LoadedModel, encoded: dict[str, torch.Tensor]) -> Rows:
    """Read prompts: input_ids and attention_mask (n, length)."""
    return EncodedRows(loaded, encoded) if loaded.has_encoder else CachedRows.read(loaded, encoded)


@dataclass(frozen=True)
class CachedRows:
    """Rows of a causal model."""

    logprobs: torch.Tensor
    _loaded: LoadedModel
    _cache: DynamicCache
    _mask: torch.Tensor
    _positions: torch.Tensor

    @classmethod
    def read(cls, loaded: LoadedModel, encoded: dict[str, torch.Tensor]) -> CachedRows:
        """Read prompts, padded on the left: input_ids and attention_mask (n, length)."""
        cache = DynamicCache(config=loaded.model.config)
        mask = encoded["attention_mask"]
        logits = loaded.model(
            **encoded,
            position_ids=(mask.cumsum(-1) - 1).clamp(min=0),
            past_key_values=cache,
            logits_to_keep=1,
        ).logits[:, -1]
        return cls(logits.log_softmax(-1), loaded, cache, mask, mask.sum(-1))

    def extend(self, rows: Sequence[int], tokens: Sequence[int]) -> CachedRows:
        """For each i the text of row `rows[i]` with `tokens[i]` behind it."""
        chosen = torch.tensor(rows)
        cache = _selected(self._cache, chosen)
        mask = torch.cat([self._mask[chosen], self._mask.new_ones(len(rows), 1)], dim=-1)
        positions = self._positions[chosen]
        logits = self._loaded.model(
            input_ids=torch.tensor(tokens)[:, None],
            attention_mask=mask,
            position_ids=positions[:, None],
            past_key_values=cache,
        ).logits[:, -1]
        return CachedRows(logits.log_softmax(-1), self._loaded, cache, mask, positions + 1)


def _selected(cache: DynamicCache, rows: torch.Tensor) -> DynamicCache:
    """A cache of these rows; selecting makes new tensors, so the old one stays as it is."""
    selected = copy.copy(cache)
    selected.layers = []
    for layer in cache.layers:
        one: Any = copy.copy(layer)
        one.batch_select_indices(rows)
        selected.layers.append(one)
    return selected
