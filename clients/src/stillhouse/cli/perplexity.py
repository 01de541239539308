"""`stillhouse perplexity`: a language model, n-grams with n = infinity, and their mixtures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
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


@dataclass(frozen=True, slots=True)
class _Plan:
    """What the options say, but for files."""

    document_tokens: int
    window: int
    overlap: int
    orders: int
    long_match: int


@click.command()
@beside_an_index
@WORKSPACE
@click.option("--validation", type=_PATH, help="Documents on which weights are chosen; otherwise "
              "every second one of CORPUS.")  # fmt: skip
@click.option("--domain-field", default="domain", show_default=True, help="Field of the domain.")
@click.option("--documents", type=click.IntRange(min=1), default=500, show_default=True,
              help="Most documents of each file, chosen by a hash of their ids.")  # fmt: skip
@click.option("--document-tokens", type=click.IntRange(min=1), default=1024, show_default=True,
              help="Documents are cut to that many tokens.")  # fmt: skip
@click.option("--window", type=click.IntRange(min=1), default=1024, show_default=True,
              help="Tokens that the model reads at once.")  # fmt: skip
@click.option("--overlap", type=click.IntRange(min=0), default=256, show_default=True,
              help="Tokens of a window that are context alone: the stride is --window less "
              "this.")  # fmt: skip
@click.option("--orders", type=click.IntRange(1, 8), default=5, show_default=True,
              help="Orders of the smoothed n-gram models.")  # fmt: skip
@click.option("--seed", type=int, default=0, show_default=True, help="Of the bootstrap.")
def perplexity(
    corpus: Path,
    model: str,
    index: str,
    target: str | None,
    validation: Path | None,
    text_field: str,
    domain_field: str,
    documents: int,
    max_contaminated: float,
    resamples: int,
    seed: int,
    out: Path | None,
    workspace: Path,
    **plan: int,
) -> None:
    """Measure what an n-gram index lowers the perplexity of a model by, on the texts of CORPUS.

    The model's tokenizer must be the index's own. A text that lies in the index says nothing:
    see --max-contaminated.
    """
    from services.experiments import perplexity as figures  # noqa: PLC0415  (services are optional)
    from services.experiments.perplexity_page import Setting, markdown  # noqa: PLC0415

    console = Console(stderr=True)
    given = _Plan(**plan)
    tests = read_texts(corpus, text_field, domain_field)
    if validation is None:
        known, asked = tests[::2], tests[1::2]
    else:
        known, asked = read_texts(validation, text_field, domain_field), tests
    known, asked = known[:documents], asked[:documents]
    if not known or not asked:
        raise InvalidArgument("corpus", f"{corpus} has {len(tests)} documents; two are needed")
    with open_index(index, target, workspace) as (client, name):
        loaded = open_model(model, workspace, "perplexity")
        collector = _Collector(client, name, loaded, given, workspace, console)
        first = collector.collect(known, "validation")
        second = collector.collect(asked, "test")
        about = collector.about
    left = [figures.without(one, max_contaminated) for one in (first, second)]
    for one, which in zip(left, ("validation", "test"), strict=True):
        if not len(one.positions):
            raise InvalidArgument(
                "--max-contaminated", f"{max_contaminated} leaves no {which} document; raise it"
            )
    found = figures.systems(left[0], left[1], collector.outcomes)
    setting = Setting(f"Perplexity: {corpus.stem}", about, given.long_match, resamples, seed)
    page = markdown(setting, left[0], left[1], found, len(second.domains) - len(left[1].domains))
    click.echo(page, nl=False)
    if out:
        out.write_text(page, encoding="utf-8")


class _Collector:
    """Asks the model and the index about texts."""

    def __init__(
        self,
        client: IndexClient,
        name: str,
        model: Any,
        plan: _Plan,
        workspace: Path,
        console: Console,
    ) -> None:
        from services.experiments.language_model import Scorer, Windows  # noqa: PLC0415

        self._client, self._name, self._plan, self._console = client, name, plan, console
        self._scorer = Scorer(model, Windows(plan.window, plan.overlap), workspace / "scores")
        info = matching_index(client, name, model)
        self.outcomes = int(model.model.config.get_text_config().vocab_size) + 1
        self.about = (
            f"{described(model, info)}; windows of {plan.window} tokens that overlap by "
            f"{plan.overlap}; documents cut to {plan.document_tokens} tokens."
        )

    def collect(self, texts: list[tuple[str, str]], which: str) -> Any:
        """What is known of every token of texts."""
        from services.experiments import ngram_scores  # noqa: PLC0415
        from services.experiments.collecting import text_set  # noqa: PLC0415

        size = self._plan.document_tokens
        cut = (text[: size * CHARACTERS] for text, _ in texts)
        found = [ngram_scores.first(one, size) for one in self._client.score_text(cut, self._name)]
        scores = []
        for number, one in enumerate(found, start=1):
            scores.append(self._scorer.score(one.tokens))
            if number % 20 == 0 or number == len(found):
                self._console.print(f"{which}: {number} of {len(found)} documents", highlight=False)
        orders = ngram_scores.orders(
            self._client, [one.tokens for one in found], self._plan.orders, self._name
        )
        domains = tuple(domain for _, domain in texts)
        return text_set(found, scores, orders, domains, self._plan.long_match)
