"""`stillhouse export`: the samples of runs as a dataset for others."""

from __future__ import annotations

from pathlib import Path

import click

from stillhouse.cli.options import RUNS
from stillhouse.errors import InvalidArgument


@click.command()
@click.argument("names", metavar="RUN...", nargs=-1, required=True)
@click.option("--to", type=click.Path(path_type=Path), required=True, help="The folder to write.")
@click.option("--name", help="Of the dataset; by default that of the folder.")
@click.option(
    "--license", "licence", default="", metavar="ID",
    help="The dataset's licence, as the hub names it: apache-2.0, cc-by-4.0, other, ... "
    "Without it the card says that none is stated.",
)  # fmt: skip
@click.option(
    "--validation", type=click.FloatRange(0, 1, min_open=True, max_open=True), default=0.05,
    show_default=True, help="Share of the samples that is for validation.",
)  # fmt: skip
@click.option(
    "--near-duplicate", type=click.FloatRange(0, 1, min_open=True),
    help="Jaccard similarity of word trigrams from which on a summary counts as a near-duplicate "
    "of another; by default the lowest of the runs' recipes.",
)  # fmt: skip
@click.option("--seed", type=int, default=0, show_default=True, help="Of the split.")
@click.option(
    "--push-to-hub", "repo", metavar="OWNER/NAME", help="Publish it there; needs --license."
)
@click.option("--private", is_flag=True, help="Make the repository there private.")
@RUNS
def export(
    names: tuple[str, ...],
    to: Path,
    name: str | None,
    licence: str,
    validation: float,
    near_duplicate: float | None,
    seed: int,
    repo: str | None,
    private: bool,
    runs: Path,
) -> None:
    """Merge the accepted samples of each RUN into a dataset with a card.

    `datasets.load_dataset` reads the folder. Near-duplicates across the runs are left out,
    and no source is in both splits.
    """
    from services.publishing import hub  # noqa: PLC0415  (services are optional)
    from services.publishing.card import Card  # noqa: PLC0415
    from services.publishing.export import check_free  # noqa: PLC0415
    from services.publishing.export import export as write  # noqa: PLC0415
    from services.publishing.merging import merge, read_samples  # noqa: PLC0415
    from services.trainer.files import RunFolder  # noqa: PLC0415

    if repo:
        if not licence:
            raise InvalidArgument("--license", "is needed to publish, and is nobody's to guess")
        hub.check_name(repo)
    check_free(to)
    samples = read_samples([RunFolder(runs / one) for one in names])
    threshold = near_duplicate or min(run.recipe.filter.near_duplicate for run in samples)
    merged = merge(samples, validation=validation, near_duplicate=threshold, seed=seed)
    write(Card(name or to.resolve().name, merged, licence, seed), to)
    total = sum(run.accepted for run in samples)
    click.echo(
        f"written: {to}, {merged.count('train')} samples for training and "
        f"{merged.count('validation')} for validation, of {total} accepted"
    )
    if repo:
        click.echo(f"published: {hub.push(to, repo, private=private)}")
