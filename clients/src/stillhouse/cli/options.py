"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path

import click

RUNS = click.option(
    "--runs", type=click.Path(path_type=Path), default=Path("runs"), show_default=True,
    help="Folder of the runs.",
)  # fmt: skip
