"""Settings of the trainer."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from services.topology import QueueSettings


class TrainerSettings(QueueSettings):
    """Where the trainer keeps its runs and whom it asks."""

    runs_dir: Path = Field(default=Path("runs"), description="Folder of the runs.")
    models_dir: Path = Field(
        default=Path(".stillhouse/models"), description="Folder of converted and fetched teachers."
    )
    generator_target: str = Field(
        default="127.0.0.1:50052", description="A generator, for evaluation."
    )
    workers_target: str = Field(
        default="",
        description="One of the generators that read the queue, asked at the start of a run "
        "whether they can do what its recipe asks; empty takes generator_target.",
    )
    filter_target: str = Field(default="127.0.0.1:50053", description="The filter.")
    training_processes: int = Field(
        default=0,
        ge=0,
        description="Processes that train a student together; 0: one for each GPU, or this one.",
    )
    threads: int = Field(default=0, ge=0, description="CPU threads in training; 0: torch decides.")
    shard_rows: int = Field(
        default=16_384,
        ge=1,
        description="Judged candidates in a shard of the training buffer, and between its "
        "checkpoints: what is kept in memory.",
    )
