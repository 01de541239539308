"""`stillhouse index`: building n-gram indexes and asking a server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import click

from stillhouse.cli.query import query
from stillhouse.corpus import load
from stillhouse.errors import FailedPrecondition, InvalidArgument
from stillhouse.index.client import IndexClient
from stillhouse.index.types import MatchStatistics
from stillhouse.recipe import Corpus

_TARGET = click.option(
    "--target", metavar="HOST:PORT", required=True, help="Where the index service listens."
)
_INDEX = click.option("--index", "name", default="", help="The index; needed if it holds several.")
_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


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
    click.echo(f"{built.documents} documents, {built.tokens} tokens in {out}")


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


@index.command()
@_TARGET
@_INDEX
@_JSON
@click.argument("text")
def count(target: str, name: str, as_json: bool, text: str) -> None:
    """Print how often TEXT occurs."""
    with IndexClient(target) as client:
        result = client.count(text, name)
    if as_json:
        click.echo(json.dumps({"count": result.count, "tokens": result.tokens}))
    else:
        click.echo(result.count)


@index.command()
@_TARGET
@_INDEX
@_JSON
@click.argument("text")
def match(target: str, name: str, as_json: bool, text: str) -> None:
    """Print the longest match from each token of TEXT, and how often it occurs."""
    with IndexClient(target) as client:
        found = client.match_lengths(text, name)
        pieces = client.tokenize(text, name).pieces
    click.echo(_as_json(found, pieces) if as_json else _as_table(found, pieces))


def _as_json(found: MatchStatistics, pieces: tuple[str, ...]) -> str:
    return json.dumps(
        {
            "tokens": found.tokens.tolist(),
            "pieces": pieces,
            "lengths": found.lengths.tolist(),
            "counts": found.counts.tolist(),
        }
    )


def _as_table(found: MatchStatistics, pieces: tuple[str, ...]) -> str:
    rows = zip(found.lengths.tolist(), found.counts.tolist(), pieces, strict=True)
    lines = [f"{length:6d}  {count:12d}  {piece}" for length, count, piece in rows]
    return "\n".join([f"{'length':>6}  {'count':>12}  piece", *lines])
