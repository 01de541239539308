"""Rows of text in progress, by whichever kind of model writes them."""

from __future__ import annotations

import torch

from services.checkpoints.load import LoadedModel
from services.generator.continued import CausalRows
from services.generator.encoded import EncodedRows


def written_rows(
    loaded: LoadedModel, encoded: dict[str, torch.Tensor], repeats: int, room: int
) -> CausalRows | EncodedRows:
    """`repeats` rows for each prompt of `encoded`; `room`: tokens that will be fed."""
    if loaded.has_encoder:
        return EncodedRows(loaded, encoded, repeats)
    return CausalRows(loaded, encoded, repeats, room)
