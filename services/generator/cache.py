"""Key-value caches that are filled once for a prompt and shared by its samples."""

from __future__ import annotations

from typing import Any, cast

import torch
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer


class RoomyLayer(DynamicLayer):
    """A cache layer with room for tokens to come.

    A `DynamicLayer` copies all it holds at every step; this one writes the new
    token into its place. keys, values: (rows, heads, length, head size).
    """

    def __init__(self, filled: DynamicLayer, repeats: int, room: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        keys, values = cast(torch.Tensor, filled.keys), cast(torch.Tensor, filled.values)
        self.lazy_initialization(keys, values)
        self._length = keys.shape[-2]
        self._all_keys = _with_room(keys.repeat_interleave(repeats, dim=0), room)
        self._all_values = _with_room(values.repeat_interleave(repeats, dim=0), room)
        self._show()

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Append (rows, heads, new, head size); returns everything so far."""
        end = self._length + key_states.shape[-2]
        if end > self._all_keys.shape[-2]:
            self._all_keys = _with_room(self._all_keys, end)
            self._all_values = _with_room(self._all_values, end)
        self._all_keys[:, :, self._length : end] = key_states
        self._all_values[:, :, self._length : end] = value_states
        self._length = end
        self._show()
        return self._all_keys[:, :, :end], self._all_values[:, :, :end]

    def batch_select_indices(self, indices: torch.Tensor) -> None:
        """Keep only these rows."""
        self._all_keys = self._all_keys[indices]
        self._all_values = self._all_values[indices]
        self._show()

    def _show(self) -> None:
        self.keys = self._all_keys[:, :, : self._length]
        self.values = self._all_values[:, :, : self._length]


def _with_room(filled: torch.Tensor, room: int) -> torch.Tensor:
    rows, heads, length, size = filled.shape
    roomy = filled.new_zeros(rows, heads, length + room, size)
    roomy[:, :, :length] = filled
    return roomy


def spread(cache: DynamicCache, repeats: int, room: int) -> None:
    """Repeat each row of a prompt cache for its samples, with room for `room` tokens."""
    for number, layer in enumerate(cache.layers):
        if type(layer) is DynamicLayer:
            cache.layers[number] = RoomyLayer(layer, repeats, room)
        else:  # sliding windows and the like are short: repeating them as they are is cheap
            cast(Any, layer).batch_repeat_interleave(repeats)


def empty(cache: DynamicCache) -> None:
    """Forget all tokens, and keep the shapes."""
    for layer in cast(list[DynamicLayer], cache.layers):
        layer.keys = cast(torch.Tensor, layer.keys)[:, :, :0]
        layer.values = cast(torch.Tensor, layer.values)[:, :, :0]
