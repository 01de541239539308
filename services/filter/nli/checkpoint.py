"""What a checkpoint says of itself: its classes, its length, its padding."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.filter.nli.labels import entailment_index
from stillhouse.errors import FailedPrecondition

# Their positions begin behind the padding's, so that the table holds so many fewer.
_OFFSET = frozenset({"camembert", "longformer", "roberta", "xlm-roberta", "xlm-roberta-xl"})
_LONGEST = 2048  # tokens, where the checkpoint tells no limit


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """entailment: its class; length: most tokens of a pair, special ones included."""

    entailment: int
    length: int
    pad: int
    typed: bool  # whether it tells premise and hypothesis apart by token types


def read(
    config: Mapping[str, Any], tokenizer_config: Mapping[str, Any], index: int | None = None
) -> Checkpoint:
    """From config.json and tokenizer_config.json; FailedPrecondition as `entailment_index`."""
    labels = {int(key): str(name) for key, name in (config.get("id2label") or {}).items()}
    pad = config.get("pad_token_id")
    pad = 0 if pad is None else int(pad)
    lengths = [_LONGEST]
    positions = config.get("max_position_embeddings")
    if positions:
        offset = pad + 1 if config.get("model_type") in _OFFSET else 0
        lengths.append(int(positions) - offset)
    told = tokenizer_config.get("model_max_length")
    if told:  # an astronomic number where unknown
        lengths.append(int(told))
    if min(lengths) < 4:
        raise FailedPrecondition(f"the NLI model reads only {min(lengths)} tokens at once")
    return Checkpoint(
        entailment_index(labels, index), min(lengths), pad, config.get("type_vocab_size", 0) > 1
    )
