"""Attention in which the samples of a prompt share its keys and values.

Each step of decoding reads all keys and values. A copy of the prompt's for every sample
would be most of what it reads, so the prompt's are kept once and multiplied with the
queries of all its samples together, beside each sample's own; one softmax is over both
(bifurcated attention, Athiwaratkun et al. 2024, section 4). The prompt's padding is left
out, so no mask is needed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import torch
from transformers import AttentionInterface, AttentionMaskInterface, DynamicCache, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

_NAME = "stillhouse_shared"
_active = threading.local()  # .prompts: those of the step that this thread is taking, if any


@dataclass(slots=True)
class SharedPrompts:
    """What the layers keep of each prompt, and how many rows it has now."""

    keys: list[list[torch.Tensor]]  # [layer][prompt]: (kept heads, tokens, head size)
    values: list[list[torch.Tensor]]
    rows: list[int]

    @classmethod
    def of(cls, cache: DynamicCache, lengths: Sequence[int], rows: int) -> SharedPrompts:
        """Of a cache of prompts of these lengths, padded on the left; `rows` for each."""

        def cut(states: torch.Tensor) -> list[torch.Tensor]:
            every = zip(states, lengths, strict=True)
            return [one[:, one.shape[1] - length :].contiguous() for one, length in every]

        layers = cast(Any, cache.layers)
        return cls(
            [cut(layer.keys) for layer in layers],
            [cut(layer.values) for layer in layers],
            [rows] * len(lengths),
        )

    def keep(self, going: torch.Tensor) -> None:
        """Keep only these rows, a mask (rows,)."""
        self.rows = [int(part.sum()) for part in going.split(self.rows)]


@contextmanager
def reading(prompts: SharedPrompts | None) -> Iterator[None]:
    """Within it, this thread's model attends to `prompts` beside what its cache holds."""
    _active.prompts = prompts
    try:
        yield
    finally:
        _active.prompts = None


def _attend(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    **settings: Any,
) -> tuple[torch.Tensor, None]:
    """query: (rows, heads, 1, size); key, value: (rows, kept heads, new, size).

    Returns (rows, 1, heads, size). Where no prompts are shared: as sdpa.
    """
    prompts: SharedPrompts | None = getattr(_active, "prompts", None)
    if prompts is None:
        forward: Callable[..., tuple[torch.Tensor, None]] = sdpa_attention_forward
        return forward(module, query, key, value, attention_mask, **settings)
    layer = cast(int, module.layer_idx)
    rows, heads, _, size = query.shape
    kept = key.shape[1]
    group = heads // kept
    scaling = settings.get("scaling")
    query = query.reshape(rows, kept, group, size) * (size**-0.5 if scaling is None else scaling)
    own = query @ key.transpose(-1, -2)
    parts, first = [], 0
    for count, known, content in zip(
        prompts.rows, prompts.keys[layer], prompts.values[layer], strict=True
    ):
        here = slice(first, first + count)
        first += count
        if not count:
            continue
        asked = query[here].transpose(0, 1).reshape(kept, count * group, size)
        length = known.shape[1]
        shared = (asked @ known.transpose(-1, -2)).view(kept, count, group, length)
        weights = torch.cat([shared.transpose(0, 1), own[here]], dim=-1).softmax(-1)
        of_prompt = weights[..., :length].transpose(0, 1).reshape(kept, count * group, length)
        found = (of_prompt @ content).view(kept, count, group, size).transpose(0, 1)
        parts.append(found + weights[..., length:] @ value[here])
    return torch.cat(parts).reshape(rows, 1, heads, size), None


def shares(model: PreTrainedModel) -> bool:
    """Whether `model` attends in this way."""
    return bool(model.config._attn_implementation == _NAME)


def share(model: PreTrainedModel) -> None:
    """Let `model` attend in this way where prompts are shared."""
    model.set_attn_implementation(_NAME)


AttentionInterface.register(_NAME, _attend)
AttentionMaskInterface.register(_NAME, sdpa_mask)
