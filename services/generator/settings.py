"""Settings of the generator."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, SecretStr

from services.topology import QueueSettings


class GeneratorSettings(QueueSettings):
    """A teacher reads prompts from the queue; critics and writers only answer calls."""

    role: Literal["teacher", "critic", "writer"] = Field(
        default="teacher",
        description="A critic keeps the model it starts with, frozen. A writer loads what the "
        "trainer asks for, to evaluate it: one process by itself, however many teachers there are.",
    )
    model_uri: str = Field(
        default="", description="Folder of the model to start with; empty waits for a pointer."
    )
    model_digest: str = Field(
        default="",
        description="SHA-256 that the folder must have; empty takes the one that it has.",
    )
    threads: int = Field(default=0, ge=0, description="CPU threads; 0 lets torch decide.")
    memory_mib: int = Field(
        default=2048,
        gt=0,
        description="Memory for the caches and logits of a batch, in MiB, beside the model's own; "
        "a batch that needs more is decoded in several passes.",
    )
    index_target: str = Field(
        default="",
        description="Address of an index service whose indexes may be mixed in while decoding; "
        "empty: none, and recipes that ask for one are refused.",
    )
    max_waiting: int = Field(
        default=64, gt=0, description="Calls that may wait for the model; more are refused."
    )
    backend: Literal["transformers", "openai", "tgi"] = Field(
        default="transformers",
        description="Who runs the model: this process, a server of OpenAI's completions, or one "
        "of text-generation-inference.",
    )
    backend_url: str = Field(default="", description="Where that server is, http://HOST:PORT.")
    backend_model: str = Field(
        default="", description="The server's name of the model; empty takes its only one."
    )
    backend_api_key: SecretStr = Field(
        default=SecretStr(""), description="Sent to the server as a bearer token."
    )
    backend_timeout: float = Field(
        default=300.0, gt=0, description="Seconds that one request to the server may take."
    )
    backend_attempts: int = Field(
        default=5, gt=0, description="Times that a request is made before it counts as failed."
    )
    backend_connections: int = Field(
        default=8, gt=0, description="Requests to the server at the same time."
    )
    backend_stop: tuple[str, ...] = Field(
        default=(),
        description="Strings, as JSON, at which the server ends a continuation. A line break "
        "saves tokens; a continuation that begins with one is then empty.",
    )
    backend_together: bool | None = Field(
        default=None,
        description="Whether a prompt's samples are asked for in one request; by default where "
        "the server can and they can be had again by the same seed.",
    )
    backend_start: str = Field(
        default="",
        description="What to put before a text that is scored without a prefix: the model's "
        "start token, where the server does not put one there.",
    )
    backend_extra: dict[str, Any] = Field(
        default_factory=dict,
        description="Further fields of each request to a server of completions, as JSON, such "
        'as {"add_special_tokens": false}.',
    )
    max_items: int = Field(default=4096, gt=0, description="Most items in one call.")
    max_samples: int = Field(default=4096, gt=0, description="Most samples in one call.")
