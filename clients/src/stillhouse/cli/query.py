"""`stillhouse index query`: every call of the index from the shell."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable
from typing import Any

import click
import numpy as np

from stillhouse.cli.access import access
from stillhouse.cli.table import rows
from stillhouse.errors import InvalidArgument
from stillhouse.index.client import IndexClient
from stillhouse.index.types import Document
from stillhouse.security import Tls


@click.group()
@click.option(
    "--target", metavar="HOST:PORT", required=True, help="Where the index service listens."
)
@click.option("--index", "name", default="", help="The index; needed if it holds several.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@access
@click.pass_context
def query(
    context: click.Context,
    target: str,
    name: str,
    as_json: bool,
    secured: Tls | None,
    token: str,
) -> None:
    """Ask an index server."""
    client = IndexClient(target, tls=secured, token=token)
    context.obj = (context.with_resource(client), name, as_json)


def _command(name: str, *options: Callable[[Any], Any]) -> Callable[[Callable[..., Any]], Any]:
    """A subcommand that asks a client and returns what is to be printed."""

    def make(ask: Callable[..., Any]) -> click.Command:
        def run(**given: Any) -> None:
            client, index, as_json = click.get_current_context().obj
            _print(ask(client, index, **given), as_json)

        run.__doc__ = ask.__doc__
        for option in reversed(options):
            run = option(run)
        return query.command(name)(run)

    return make


_TEXT = click.argument("text")
_TOP = click.option("--top", default=10, show_default=True, help="Most tokens; 0: all.")
_END = click.option("--end", is_flag=True, help="Ask for the document's end behind the text.")
_INFGRAM = click.option("--infgram", is_flag=True, help="Back off to the longest known suffix.")
_LIMIT = click.option("--limit", default=10, show_default=True, help="Most documents.")
_CONTEXT = click.option("--context", default=20, show_default=True, help="Tokens on each side.")


@_command("count", _TEXT)
def _count(client: IndexClient, index: str, text: str) -> Any:
    """Count TEXT."""
    return client.count(text, index)


@_command("find", _TEXT)
def _find(client: IndexClient, index: str, text: str) -> Any:
    """Find the ranks of TEXT."""
    return client.find(text, index)


@_command("prob", _INFGRAM, _END, _TEXT)
def _prob(client: IndexClient, index: str, text: str, end: bool, infgram: bool) -> Any:
    """How likely the last token of TEXT follows the rest."""
    return (client.infgram_prob if infgram else client.prob)(text, index, end=end)


@_command("ntd", _INFGRAM, _TOP, _TEXT)
def _ntd(client: IndexClient, index: str, text: str, top: int, infgram: bool) -> Any:
    """What follows TEXT."""
    ask = client.infgram_ntd if infgram else client.ntd
    return ask(text, index, top=top, pieces=True)


@_command("score", _TEXT)
def _score(client: IndexClient, index: str, text: str) -> Any:
    """Infinity-gram probability of every token of TEXT."""
    return client.score(text, index)


@_command("match", _TEXT)
def _match(client: IndexClient, index: str, text: str) -> Any:
    """The longest match from each token of TEXT, and how often it occurs."""
    found = client.match_lengths(text, index)
    pieces = client.tokenize(text, index).pieces
    columns = zip(found.lengths.tolist(), found.counts.tolist(), pieces, strict=True)
    return [{"length": length, "count": count, "piece": piece} for length, count, piece in columns]


@_command("cnf", click.option("--near", type=int, help="Furthest distance in tokens."), _TEXT)
def _cnf(client: IndexClient, index: str, text: str, near: int | None) -> Any:
    """Places of TEXT, such as `a OR b AND c`; OR binds tighter."""
    clauses = [clause.split(" OR ") for clause in text.split(" AND ")]
    return client.find_cnf(clauses, index, max_diff_tokens=near, limit=10)


@_command("docs", _LIMIT, _CONTEXT, click.option("--seed", default=0), _TEXT)
def _docs(client: IndexClient, index: str, text: str, limit: int, context: int, seed: int) -> Any:
    """Documents with TEXT, drawn at random."""
    return client.search_docs(text, index, limit=limit, seed=seed, context=context).documents


@_command(
    "attribute",
    click.option("--min-length", default=1, help="Shortest stretch in tokens."),
    click.option("--whole-words", is_flag=True, help="Only whole words."),
    _LIMIT,
    _TEXT,
)
def _attribute(
    client: IndexClient, index: str, text: str, min_length: int, whole_words: bool, limit: int
) -> Any:
    """The stretches of TEXT that occur in the corpus."""
    return client.attribute(
        text, index, min_length=min_length, whole_words=whole_words, documents=limit
    ).spans


@_command("list")
def _list(client: IndexClient, _index: str) -> Any:
    """The server's indexes."""
    return client.list_indexes()


@_command(
    "load",
    click.option("--preload", is_flag=True, help="Read it into memory."),
    click.option("--digest", default="", help="The digest it must have."),
    click.argument("folder"),
)
def _load(client: IndexClient, index: str, folder: str, preload: bool, digest: str) -> Any:
    """Open FOLDER, below the server's index root, under the name --index."""
    if not index:
        raise InvalidArgument("--index", "is missing; it names what is loaded")
    return client.load_index(index, folder, preload, digest)


@_command("unload")
def _unload(client: IndexClient, index: str) -> Any:
    """Forget the index --index."""
    return client.unload_index(index)


@_command("alias", click.argument("alias"))
def _alias(client: IndexClient, index: str, alias: str) -> Any:
    """Point ALIAS to --index; without, remove it."""
    return client.set_alias(alias, index)


def _print(answer: Any, as_json: bool) -> None:
    plain = _plain(answer)
    if as_json:
        click.echo(json.dumps(plain, ensure_ascii=False))
    elif isinstance(answer, tuple) and answer and isinstance(answer[0], Document):
        for one in answer:
            click.echo(f"{one.id or one.document}: {one.before} [{one.match}] {one.after}")
    elif answer is not None:
        for row in rows(plain):
            click.echo(row)


def _plain(value: Any) -> Any:
    """Dataclasses and arrays as what JSON knows; NaN as null."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in dataclasses.fields(value)]
        return {name: _plain(getattr(value, name)) for name in names}
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return None if isinstance(value, float) and math.isnan(value) else value
