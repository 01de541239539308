"""`stillhouse lineage`: which models a student comes from, back to the first teacher."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from stillhouse.errors import FailedPrecondition, NotFound

if TYPE_CHECKING:
    from services.trainer.lineage import Link


@click.command()
@click.argument("model")
@click.option(
    "--runs", type=click.Path(path_type=Path), default=Path("runs"), show_default=True,
    help="Folder of the runs, where MODEL is the id of one.",
)  # fmt: skip
def lineage(model: str, runs: Path) -> None:
    """Print where MODEL comes from: a student's folder, a run's folder or a run's id.

    Of a run its last student is taken. Digests are computed again; what is missing or has
    changed is told, and the command then ends with status 2.
    """
    from services.trainer.files import RunFolder  # noqa: PLC0415  (services are optional)
    from services.trainer.lineage import chain  # noqa: PLC0415

    folder = Path(model) if Path(model).is_dir() else runs / model
    if not folder.is_dir():
        raise NotFound(f"no folder {model} and no run {model!r} in {runs}")
    if not (folder / "config.json").is_file():
        students = RunFolder(folder).students()
        if not students:
            raise NotFound(f"no student in {folder}: give the folder of a student or of a run")
        folder = students[-1]
    links = chain(folder.resolve())
    for link in links:
        click.echo("\n".join(_lines(link)))
    broken = sum(len(link.problems) for link in links)
    if broken:
        raise FailedPrecondition(f"{broken} of the lineage's facts no longer hold, see above")


def _lines(link: Link) -> list[str]:
    made = link.manifest
    lines = [link.name if made else f"{link.name} (first teacher)"]
    facts = [("folder", str(link.folder)), ("digest", link.digest)]
    if made:
        seeds = ", ".join(f"{name} {seed}" for name, seed in made.seeds.items())
        commit = f", commit {made.code.commit}" if made.code.commit else ""
        facts += [
            ("run", f"{made.run}, generation {made.generation}, {made.created}"),
            ("dataset", f"{made.dataset.path}, {made.dataset.rows} rows, {made.dataset.digest}"),
            ("recipe", f"{made.recipe.name}, {made.recipe.digest}"),
            ("seeds", seeds),
            ("code", made.code.version + commit),
            ("teacher", made.teacher.name),
            ("start", f"{made.start.name}, {made.start.digest}" if made.start else ""),
        ]
    elif link.problems:
        lines = [f"{link.name} (what it came from stood in its folder)"]
    lines += [f"  {name:<8} {value}" for name, value in facts if value]
    return lines + [f"  ! {problem}" for problem in link.problems]
