"""Prompts as a batch of tokens."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from services.checkpoints.load import LoadedModel
from services.generator.readings import texts
from stillhouse.errors import InvalidArgument
from stillhouse.generator.types import Prompt


def encode(loaded: LoadedModel, prompts: Sequence[str], new_tokens: int) -> dict[str, torch.Tensor]:
    """input_ids and attention_mask (n, longest), padded as the model wants it.

    A causal model continues prompts as they are; an encoder reads them with the tokens
    around them that it was trained on.

    InvalidArgument for a prompt without a token, or without room for `new_tokens`.
    """
    encoded = loaded.tokenizer(
        list(prompts),
        add_special_tokens=loaded.has_encoder,
        padding=True,
        return_tensors="pt",
    )
    longest = encoded["input_ids"].shape[-1]
    if longest == 0:
        raise InvalidArgument("prompts", "a prompt must hold at least one token")
    limit = getattr(loaded.model.config, "max_position_embeddings", None)
    taken = max(longest, new_tokens) if loaded.has_encoder else longest + new_tokens
    if limit is not None and taken > limit:
        raise InvalidArgument(
            "prompts",
            f"the longest has {longest} tokens; with {new_tokens} new ones that is over the "
            f"model's context of {limit}",
        )
    return {name: encoded[name] for name in ("input_ids", "attention_mask")}


def token_counts(loaded: LoadedModel, prompts: Sequence[Prompt]) -> list[int]:
    """The number of tokens of each prompt, or of the longest that it is told apart from."""
    read = [texts(prompt) for prompt in prompts]
    every = [text for group in read for text in group]
    if not every:
        return []
    found = iter(loaded.tokenizer(every, add_special_tokens=loaded.has_encoder)["input_ids"])
    return [max(len(next(found)) for _ in group) for group in read]
