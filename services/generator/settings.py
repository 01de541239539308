"""Settings of the generator."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from services.topology import QueueSettings


class GeneratorSettings(QueueSettings):
    """A teacher reads prompts from the queue; a critic only answers calls."""

    role: Literal["teacher", "critic"] = Field(
        default="teacher", description="A critic keeps the model it starts with, frozen."
    )
    model_uri: str = Field(
        default="", description="Folder of the model to start with; empty waits for a pointer."
    )
    model_digest: str = Field(default="", description="SHA-256 that the folder must have.")
    threads: int = Field(default=0, ge=0, description="CPU threads; 0 lets torch decide.")
    memory_mib: int = Field(
        default=2048,
        gt=0,
        description="Memory for the caches and logits of a batch, in MiB, beside the model's own; "
        "a batch that needs more is decoded in several passes.",
    )
    max_waiting: int = Field(
        default=64, gt=0, description="Calls that may wait for the model; more are refused."
    )
    max_items: int = Field(default=4096, gt=0, description="Most items in one call.")
    max_samples: int = Field(default=4096, gt=0, description="Most samples in one call.")
