"""`stillhouse agreement`: how well the infinity-gram foretells texts of people and of a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from stillhouse.cli.inputs import (
    CHARACTERS,
    described,
    matching_index,
    open_index,
    open_model,
    read_texts,
)
from stillhouse.cli.options import WORKSPACE, beside_an_index
from stillhouse.errors import InvalidArgument
from stillhouse.index.client import IndexClient

_PATH = click.Path(path_type=Path)
_HUMAN = "human"


@click.command()
@beside_an_index
@WORKSPACE
@click.option("--documents", type=click.IntRange(min=1), default=80, show_default=True,
              help="Most documents, chosen by a hash of their ids.")  # fmt: skip
@click.option("--prompt-tokens", type=click.IntRange(min=1), default=50, show_default=True,
              help="Tokens at the beginning of a document, from which the model goes "
              "on.")  # fmt: skip
@click.option("--new-tokens", type=click.IntRange(min=1), default=128, show_default=True,
              help="Tokens behind them that are looked at, the document's and the "
              "model's.")  # fmt: skip
@click.option("--manner", "manners", multiple=True, default=("0", "1", "1:0.9"), show_default=True,
              help="How the model writes: a temperature, 0 for the likeliest token, and after a "
              "colon a nucleus mass. May be given several times.")  # fmt: skip
@click.option("--seed", type=int, default=0, show_default=True, help="Of all that is drawn.")
@click.option("--plot", type=_PATH, help="Write a PNG here.")
def agreement(
    corpus: Path,
    model: str,
    index: str,
    target: str | None,
    text_field: str,
    documents: int,
    prompt_tokens: int,
    new_tokens: int,
    manners: tuple[str, ...],
    long_match: int,
    max_contaminated: float,
    resamples: int,
    seed: int,
    out: Path | None,
    plot: Path | None,
    workspace: Path,
) -> None:
    """Measure how often the token that followed most often in an index stands in a text.

    On the documents of CORPUS that are long enough, and on what the model writes behind their
    beginnings. The model's tokenizer must be the index's own.
    """
    from services.experiments import agreement_page as page  # noqa: PLC0415  (services are optional)
    from services.experiments.agreement import foretold  # noqa: PLC0415
    from services.experiments.machine_text import Manner, Writer  # noqa: PLC0415
    from services.experiments.ngram_scores import tops  # noqa: PLC0415

    console = Console(stderr=True)
    ways = [Manner.parse(one) for one in manners]
    texts = [text for text, _ in read_texts(corpus, text_field, text_field)]
    with open_index(index, target, workspace) as (client, name):
        loaded = open_model(model, workspace, "agreement")
        info = matching_index(client, name, loaded)
        writer = Writer(loaded, seed, workspace / "machine-texts")
        wanted = _Wanted(prompt_tokens + new_tokens, documents, long_match, max_contaminated)
        human = wanted.of(client, name, texts)
        if not human:
            raise InvalidArgument(
                "corpus",
                f"none of its {len(texts)} documents has {wanted.size} tokens of which a share of "
                f"{max_contaminated} or less lies in long matches; lower --new-tokens or raise "
                "--max-contaminated",
            )
        begun = np.stack([one[:prompt_tokens] for one in human])
        sources = {_HUMAN: human}
        for way in ways:
            written = writer.write(
                begun,
                new_tokens,
                way,
                lambda number, way=way: console.print(  # type: ignore[misc]
                    f"{way}: {number} of {len(human)} texts", highlight=False
                ),
            )
            pairs = zip(begun, written, strict=True)
            sources[str(way)] = [np.concatenate(pair) for pair in pairs]
        found: dict[str, Any] = {}
        for kind, rows in sources.items():
            scores = list(client.score_text(rows, name))
            found[kind] = foretold(scores, tops(client, scores, name), prompt_tokens)
    about = (
        f"{described(loaded, info)}. {len(human)} documents of `{corpus.name}`; looked at are the "
        f"{new_tokens} tokens behind the first {prompt_tokens} of each, and what the model writes "
        f"in their place, seed {seed}."
    )
    if max_contaminated < 1:
        about += (
            f" Of no document more than {max_contaminated:.0%} lies in matches of {long_match} "
            "tokens or more with the index."
        )
    setting = page.Setting(f"Agreement: {corpus.stem}", about, resamples, seed)
    shown = page.markdown(setting, found)
    click.echo(shown, nl=False)
    if out:
        out.write_text(shown, encoding="utf-8")
    if plot:
        page.plot(setting, found, plot)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """Which documents: `most` of at least `size` tokens, with few in long matches."""

    size: int
    most: int
    long_match: int
    max_contaminated: float

    def of(self, client: IndexClient, name: str, texts: Sequence[str]) -> list[NDArray[np.uint32]]:
        """The first `size` tokens of each document that is taken."""
        from services.experiments.ngram_scores import first, in_long_matches  # noqa: PLC0415

        found: list[NDArray[np.uint32]] = []
        for one in client.score_text((text[: self.size * CHARACTERS] for text in texts), name):
            head = first(one, self.size)
            inside = in_long_matches(head, self.long_match)
            if len(head.tokens) == self.size and inside.mean() <= self.max_contaminated:
                found.append(head.tokens)
            if len(found) == self.most:
                break
        return found
