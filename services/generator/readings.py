"""What a model reads for a prompt: the prompt's own text, and those that it is told apart from."""

from __future__ import annotations

import math

from stillhouse.errors import InvalidArgument
from stillhouse.generator.types import Contrast, Decoding, Prompt


def texts(prompt: Prompt) -> list[str]:
    """All that is read, the prompt's own text first."""
    others = () if prompt.contrast is None else prompt.contrast.negative_prompts
    return [prompt.text, *others]


def check_contrast(contrast: Contrast | None, decoding: Decoding, field: str) -> None:
    """InvalidArgument names what makes it impossible to tell a prompt apart."""
    if contrast is None:
        return
    if decoding.beam is not None:
        raise InvalidArgument(field, "can't be searched with; leave decoding.beam out to sample")
    if not contrast.negative_prompts:
        raise InvalidArgument(f"{field}.negative_prompts", "must be one or more")
    if not all(contrast.negative_prompts):
        raise InvalidArgument(f"{field}.negative_prompts", "must not be empty")
    if not math.isfinite(contrast.guidance_scale) or contrast.guidance_scale < 0:
        raise InvalidArgument(f"{field}.guidance_scale", "must be 0 or above")
