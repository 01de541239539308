"""`stillhouse funnel`, `inspect`, `rethreshold`: what a run judged, and would have judged."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.table import Table

from stillhouse.cli.options import RUNS
from stillhouse.errors import InvalidArgument

if TYPE_CHECKING:
    from services.experiments.verdicts import RunVerdicts
    from stillhouse.filter.types import LayerStats


def _read(run: str, runs: Path) -> RunVerdicts:
    from services.experiments.verdicts import read_run  # noqa: PLC0415  (services are optional)
    from services.trainer.files import RunFolder  # noqa: PLC0415

    return read_run(RunFolder(runs / run))


@click.command()
@click.argument("run")
@RUNS
def funnel(run: str, runs: Path) -> None:
    """Show how many candidates each layer of RUN saw and passed, and what that cost."""
    from services.experiments.verdicts import costed_funnel, generating_seconds  # noqa: PLC0415

    found = _read(run, runs)
    console = Console()
    for generation, rows in found.rows.items():
        stats = costed_funnel(rows, found.layers)
        accepted = sum(row["accepted"] for row in rows)
        generating = generating_seconds(rows)
        whole = generating + sum(one.seconds for one in stats)
        table = _funnel_table(f"generation {generation}", stats)
        console.print(table)
        each = f"{whole / accepted:.2f} s each" if accepted else "none accepted"
        console.print(
            f"{len(rows)} candidates, {generating:.1f} s to generate; {accepted} accepted, {each}",
            highlight=False,
        )


def _funnel_table(title: str, stats: list[LayerStats]) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    table.add_column("layer")
    for name in ("seen", "passed", "pass rate", "seconds", "ms each"):
        table.add_column(name, justify="right")
    for one in stats:
        rate = f"{one.passed / one.seen:.1%}" if one.seen else "-"
        each = f"{1000 * one.seconds / one.seen:.1f}" if one.seen else "-"
        table.add_row(one.name, str(one.seen), str(one.passed), rate, f"{one.seconds:.2f}", each)
    return table


@click.command()
@click.argument("run")
@click.option("--accepted/--rejected", default=None, help="Only these; both unless given.")
@click.option("--layer", default="", help="Only what this layer rejected.")
@click.option("--generation", type=click.IntRange(min=1), help="Only this generation.")
@click.option("--sample", type=click.IntRange(min=1), default=10, show_default=True,
              help="How many, drawn at random.")  # fmt: skip
@click.option("--seed", type=int, default=0, show_default=True, help="Of the draw.")
@RUNS
def inspect(
    run: str,
    accepted: bool | None,
    layer: str,
    generation: int | None,
    sample: int,
    seed: int,
    runs: Path,
) -> None:
    """Show candidates of RUN with their documents, scores and reasons."""
    from services.experiments.verdicts import chosen  # noqa: PLC0415

    found = _read(run, runs)
    if layer and layer not in found.layers:
        raise InvalidArgument("--layer", f"no {layer!r} here; known: {', '.join(found.layers)}")
    rows = [
        row for number, part in found.rows.items() if generation in (None, number) for row in part
    ]
    for row in chosen(rows, accepted=accepted, layer=layer, sample=sample, seed=seed):
        verdict = "accepted" if row["accepted"] else row["reason"]
        click.echo(f"{row['source_id']} #{row['sample_index']}, generation {row['generation']}: "
                   f"{verdict}")  # fmt: skip
        click.echo(f"  document: {' '.join(found.texts[row['source_id']].split())}")
        click.echo(f"  candidate: {row['text']}")
        scores = ", ".join(f"{name} {value:.2f}" for name, value in sorted(row["scores"]))
        click.echo(f"  scores: {scores}\n")


@click.command()
@click.argument("run")
@click.option("--set", "settings", multiple=True, required=True, metavar="LAYER.THRESHOLD=VALUE",
              help="A threshold to change; may be given many times.")  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path), help="Write the new datasets there.")
@RUNS
def rethreshold(run: str, settings: tuple[str, ...], out: Path | None, runs: Path) -> None:
    """Judge RUN again by other thresholds, from its stored scores, without any model."""
    from services.experiments.rethreshold import changed, rejudge  # noqa: PLC0415
    from services.experiments.verdicts import stored  # noqa: PLC0415
    from services.trainer import tables  # noqa: PLC0415
    from services.trainer.cascades import cascade_of  # noqa: PLC0415
    from services.trainer.files import write_table  # noqa: PLC0415
    from services.trainer.funnel import funnel as count  # noqa: PLC0415

    found = _read(run, runs)
    cascade = changed(cascade_of(found.recipe), dict(map(_setting, settings)))
    console = Console()
    for generation, rows in found.rows.items():
        judged = rejudge(cascade, found.texts, stored(rows), found.recipe.filter.near_duplicate)
        stats = count((one.verdict for one in judged), found.layers)
        before = sum(row["accepted"] for row in rows)
        now = sum(one.verdict.accepted for one in judged)
        console.print(_funnel_table(f"generation {generation}", list(stats)))
        console.print(f"accepted {now}, before {before}", highlight=False)
        if out is not None:
            table = tables.with_final_verdicts(
                tables.verdicts_from_rows(rows), [one.verdict for one in judged]
            )
            path = out / f"gen-{generation}.parquet"
            write_table(path, tables.dataset_table(table, found.texts))
            console.print(f"written: {path}", highlight=False, soft_wrap=True)


def _setting(text: str) -> tuple[str, float]:
    name, sign, value = text.partition("=")
    try:
        number = float(value)
    except ValueError:
        number = float("nan")
    if not sign or "." not in name or math.isnan(number):
        raise InvalidArgument("--set", f"{text!r} is not LAYER.THRESHOLD=NUMBER")
    return name.strip(), number
