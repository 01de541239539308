"""`stillhouse index`: building n-gram indexes and asking a server."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import click

from stillhouse.cli.query import query
from stillhouse.corpus import load
from stillhouse.errors import FailedPrecondition, InvalidArgument
from stillhouse.recipe import Corpus


@click.group()
def index() -> None:
    """Build n-gram indexes and ask them."""


index.add_command(query)


@index.command()
@click.option(
    "--tokenizer", type=click.Path(path_type=Path), required=True,
    help="A tokenizer.json, or the folder of a model that has one.",
)  # fmt: skip
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, help="Folder of the index; new."
)
@click.option("--text-field", default="text", show_default=True, help="Field of the text.")
@click.argument("sources", nargs=-1, required=True)
@click.option(
    "--id-field", default="id", show_default=True,
    help="Field or column of a document's id, kept with the index; made of the text if absent.",
)  # fmt: skip
def build(
    tokenizer: Path, out: Path, text_field: str, id_field: str, sources: tuple[str, ...]
) -> None:
    """Build an index over SOURCES.

    Each is a JSONL or Parquet file, a folder of .txt files, or the word docstrings.
    """
    try:
        from services.index.build import build_index  # noqa: PLC0415  (services are optional)
    except ImportError as error:
        raise FailedPrecondition(
            f"building an index needs {error.name}; pip install 'stillhouse-services[index]'"
        ) from None
    if tokenizer.is_dir():
        tokenizer = tokenizer / "tokenizer.json"
    ids: list[str] = []
    built = build_index(_texts(sources, text_field, id_field, ids), tokenizer, out, ids)
    digest = hashlib.sha256((out / "manifest.json").read_bytes()).hexdigest()
    click.echo(f"{built.documents} documents, {built.tokens} tokens in {out}, digest {digest}")


@index.command()
@click.argument("source")
@click.option("--digest", required=True, help="SHA-256 of its manifest.json, as `build` tells it.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Where it shall be.")
def fetch(source: str, digest: str, out: Path) -> None:
    """Copy the index of that digest from SOURCE and compare all of it with its checksums.

    SOURCE is a folder, or the http(s) address of one. An index that is there already stays.
    """
    try:
        from services.index.fetch import fetch as fetched  # noqa: PLC0415  (services are optional)
    except ImportError as error:
        raise FailedPrecondition(
            f"fetching an index needs {error.name}; pip install 'stillhouse-services[index]'"
        ) from None
    fetched(source, digest, out)
    click.echo(f"index {digest} in {out}")


def _texts(
    sources: tuple[str, ...], text_field: str, id_field: str, ids: list[str]
) -> Iterator[str]:
    """The documents' texts; their ids go into `ids` on the way."""
    for source in sources:
        corpus = Corpus(
            source=source,
            text_field=text_field,
            id_field=id_field,
            min_sentences=1,
            max_characters=2**63,
        )
        try:
            documents = load(corpus)
        except InvalidArgument as error:
            raise InvalidArgument("sources", error.reason) from None
        for document in documents:
            ids.append(document.id)
            yield document.text
