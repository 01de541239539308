"""Continuations of prompts, sampled or searched for."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from services.checkpoints.load import LoadedModel
from services.generator.sampling import sample
from services.generator.searching import search
from stillhouse.generator.types import Decoding, Prompt, Sample


def decode(
    loaded: LoadedModel,
    prompts: Sequence[Prompt],
    decoding: Decoding,
    cancelled: Callable[[], bool] = lambda: False,
) -> list[list[Sample]]:
    """For each prompt `decoding.samples` continuations; a beam may find fewer."""
    if decoding.beam is None:
        return sample(loaded, prompts, decoding, cancelled)
    return search(
        loaded,
        prompts,
        decoding.beam,
        samples=decoding.samples,
        max_new_tokens=decoding.max_new_tokens,
        cancelled=cancelled,
    )
