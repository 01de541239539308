"""Continuations of prompts, sampled or searched for."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from services.checkpoints.load import LoadedModel
from services.generator.memory import DEFAULT_BUDGET, footprint, passes
from services.generator.prompts import token_counts
from services.generator.sampling import sample
from services.generator.searching import search
from stillhouse.errors import InvalidArgument
from stillhouse.generator.types import Decoding, Prompt, Sample
from stillhouse.index.client import IndexClient


def decode(
    loaded: LoadedModel,
    prompts: Sequence[Prompt],
    decoding: Decoding,
    cancelled: Callable[[], bool] = lambda: False,
    budget: int = DEFAULT_BUDGET,
    index: IndexClient | None = None,
) -> list[list[Sample]]:
    """For each prompt `decoding.samples` continuations; a beam may find fewer.

    `budget` bytes are used for caches and logits. `index` answers for decoding.infgram.
    """
    if decoding.beam is None:
        return sample(loaded, prompts, decoding, cancelled, budget, index)
    if decoding.infgram is not None:
        raise InvalidArgument(
            "decoding.infgram", "can't be mixed into a beam; leave one of the two out"
        )
    found: list[list[Sample]] = []
    each = footprint(loaded.model.config)
    lengths = token_counts(loaded, prompts)
    for one in passes(lengths, 2 * decoding.beam.width, decoding.max_new_tokens, each, budget):
        if one.stop - one.start < 2 * decoding.beam.width:
            raise InvalidArgument(
                "decoding.beam.width",
                f"of {decoding.beam.width} takes more than the {budget // 2**20} MiB of "
                "STILLHOUSE_MEMORY_MIB; make it narrower or allow more",
            )
        found += search(
            loaded,
            prompts[one.first : one.last],
            decoding.beam,
            samples=decoding.samples,
            max_new_tokens=decoding.max_new_tokens,
            cancelled=cancelled,
        )
    return found
