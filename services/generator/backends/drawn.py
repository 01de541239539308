"""Tokens as servers tell them, and what is read from those that were generated."""

from __future__ import annotations

import math
from collections.abc import Sequence

from services.generator.lines import first_line, tokens_of_first_line
from stillhouse.generator.types import Sample

Drawn = tuple[str, float | None]
"""A token and its log-probability, where that is known."""


def sample_of(
    text: str, drawn: Sequence[Drawn], *, counted: int | None, stopped: bool, plain: bool
) -> Sample:
    """What counts of a generated text.

    `drawn` are its tokens, if the server tells them, else `counted` is their number.
    Their log-probabilities are used if they are `plain`: those of the model itself,
    neither tempered nor cut to a nucleus. The sample's is NaN where none are known.
    """
    tokens = tokens_of_first_line([token for token, _ in drawn])
    values = [value for _, value in drawn[:tokens]]
    known = [value for value in values if value is not None]
    return Sample(
        text=first_line(text),
        tokens=tokens or counted or 0,
        logprob=math.fsum(known) if plain and known and len(known) == len(values) else math.nan,
        finished=stopped or "\n" in text.lstrip(),
    )
