"""Settings of the filter service, from the environment."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from services.filter.remote import Limits
from services.topology import QueueSettings


class FilterSettings(QueueSettings):
    """Each variable carries the prefix STILLHOUSE_."""

    index_target: str = Field(
        default="127.0.0.1:50051", description="Address of the index service."
    )
    index_names: str = Field(
        default="",
        description="The indexes to ask, by name, between commas: the one in which a text is least"
        " new decides. Empty means the only one that the service has.",
    )
    index_batch: int = Field(default=256, gt=0, description="Most texts in one call to the index.")
    index_timeout: float = Field(default=30.0, gt=0, description="Seconds that one call may take.")
    critic_target: str = Field(
        default="127.0.0.1:50053", description="Address of the critic, a frozen generator service."
    )
    masked_critic_target: str = Field(
        default="",
        description="Address of a generator service that holds a frozen T5, for critics of "
        "`form: masked`; empty: none, and recipes that need it are refused.",
    )
    critic_batch: int = Field(
        default=128, gt=0, description="Most texts in one call to the critic."
    )
    critic_timeout: float = Field(
        default=120.0, gt=0, description="Seconds that one call may take."
    )
    nli_model: str = Field(
        default="",
        description="The NLI model of the layers that ask for entailment, such as "
        "alisawuffles/roberta-large-wanli: a folder, or for transformers an id on the model hub; "
        "empty: none, and recipes that need it are refused.",
    )
    nli_runtime: Literal["transformers", "onnx"] = Field(
        default="transformers",
        description="What runs it: transformers (extra `nli`), or onnx (extra `nli-onnx`, without "
        "torch) for a folder with model.onnx, config.json and tokenizer.json.",
    )
    nli_entailment_index: int | None = Field(
        default=None,
        description="Its class that means entailment; unset: the one that its config names so.",
    )
    nli_pass_tokens: int = Field(
        default=4096, gt=0, description="Most tokens it reads at once, padding included."
    )
    nli_threads: int = Field(
        default=0, ge=0, description="Its CPU threads; 0 lets the machine decide."
    )
    max_candidates: int = Field(
        default=512, gt=0, description="Most candidates in one call of Evaluate."
    )
    slots: int = Field(
        default=2, gt=0, description="Batches of the queue judged at once; one waits for the critic"
        " while another is measured.",
    )  # fmt: skip
    queue: bool = Field(
        default=True, description="Judge the batches of the queue too; false serves only the rpc."
    )

    @property
    def indexes(self) -> tuple[str, ...]:
        """The names of the indexes; one empty name stands for the only one."""
        names = [name.strip() for name in self.index_names.split(",")]
        return tuple(dict.fromkeys(name for name in names if name)) or ("",)

    @property
    def index_limits(self) -> Limits:
        """Size and time of a call to the index."""
        return Limits(items=self.index_batch, seconds=self.index_timeout)

    @property
    def critic_limits(self) -> Limits:
        """Size and time of a call to the critic."""
        return Limits(items=self.critic_batch, seconds=self.critic_timeout)
