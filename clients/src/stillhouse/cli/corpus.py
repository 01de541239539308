"""`stillhouse corpus`: documents that are on every machine, as files."""

from __future__ import annotations

from pathlib import Path

import click

from stillhouse.corpus.docstrings import docstrings
from stillhouse.corpus.document import SourceDocument
from stillhouse.corpus.topics import topics
from stillhouse.corpus.write import write_jsonl

_OUT = click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), required=True,
    help="Folder of the file; made if absent.",
)  # fmt: skip


@click.group()
def corpus() -> None:
    """Write documents of this Python installation as JSONL."""


@corpus.command("docstrings")
@_OUT
@click.option(
    "--min-sentences", type=click.IntRange(min=1), default=3, show_default=True,
    help="Shorter documents are left out.",
)  # fmt: skip
def write_docstrings(out: Path, min_sentences: int) -> None:
    """Write OUT/docstrings.jsonl: docstrings with their first lines as summaries."""
    _write(out / "docstrings.jsonl", docstrings(min_sentences))


@corpus.command("topics")
@_OUT
def write_topics(out: Path) -> None:
    """Write OUT/topics.jsonl: the topics of Python's own help, without summaries."""
    _write(out / "topics.jsonl", topics())


def _write(path: Path, documents: list[SourceDocument]) -> None:
    write_jsonl(path, documents)
    click.echo(f"{len(documents)} documents in {path}")
