"""`stillhouse quality`: data sets compared by what their summaries are like."""

from __future__ import annotations

from pathlib import Path

import click

from stillhouse.errors import InvalidArgument
from stillhouse.index.client import IndexClient

_BATCH = 256


@click.command()
@click.argument("datasets", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--sample", type=click.IntRange(min=2), default=500, show_default=True,
    help="Most pairs taken of each; the smallest set decides for all.",
)  # fmt: skip
@click.option("--seed", type=int, default=0, show_default=True, help="Of the draw.")
@click.option("--target", metavar="HOST:PORT", help="Measure novelty too, against this index.")
@click.option("--index", default="", help="The index there; needed if it holds several.")
@click.option("--out", type=click.Path(path_type=Path), help="Write the table here too.")
@click.option("--plot", type=click.Path(path_type=Path), help="Write a PNG here.")
def quality(
    datasets: tuple[Path, ...],
    sample: int,
    seed: int,
    target: str | None,
    index: str,
    out: Path | None,
    plot: Path | None,
) -> None:
    """Compare DATASETS, Parquet or JSONL files with `document` and `summary`.

    All are cut to the size of the smallest by a seeded draw, since every figure of
    diversity depends on how many texts there are.
    """
    from services.experiments import quality_page as page  # noqa: PLC0415  (services are optional)
    from services.trainer import quality_table as table_of  # noqa: PLC0415
    from stillhouse.text.quality import measure  # noqa: PLC0415

    found = [page.read_pairs(path) for path in datasets]
    for path, pairs in zip(datasets, found, strict=True):
        if len(pairs) < 2:
            raise InvalidArgument("dataset", f"{path} has {len(pairs)} pairs; two are needed")
    size = min(sample, *map(len, found))
    measured = []
    for path, pairs in zip(datasets, found, strict=True):
        taken = table_of.sample(pairs, size, seed)
        novelty = _novelty([summary for _, summary in taken], target, index) if target else {}
        name = f"{path.parent.parent.name}/{path.stem}" if len(datasets) > 1 else path.stem
        measured.append(
            table_of.Measured(name.lstrip("/"), len(pairs), size, measure(taken), novelty)
        )
    table = table_of.markdown(measured)
    click.echo(table, nl=False)
    if out:
        out.write_text(table, encoding="utf-8")
    if plot:
        page.plot(measured, plot)


def _novelty(texts: list[str], target: str, index: str) -> dict[str, float]:
    """Mean longest match in tokens, and as share of the tokens."""
    runs, shares = [], []
    with IndexClient(target) as client:
        for start in range(0, len(texts), _BATCH):
            for match in client.match_lengths_batch(texts[start : start + _BATCH], index):
                longest = int(match.lengths.max(initial=0))
                runs.append(longest)
                shares.append(longest / max(1, len(match.lengths)))
    return {
        "corpus_run": sum(runs) / len(runs),
        "corpus_share": sum(shares) / len(shares),
    }
