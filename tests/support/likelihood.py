"""What a model gives a text, by running all of it at once."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from services.checkpoints.load import LoadedModel


def logprob(loaded: LoadedModel, prompt: str, tokens: Sequence[int]) -> float:
    """log P of tokens behind a prompt, in nats."""
    ids = loaded.tokenizer(prompt, add_special_tokens=False)["input_ids"]
    with torch.inference_mode():
        logprobs = loaded.model(torch.tensor([[*ids, *tokens]])).logits[0].log_softmax(-1)
    return sum(float(logprobs[len(ids) + i - 1, t]) for i, t in enumerate(tokens))
