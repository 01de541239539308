"""`stillhouse prepare`: what the services of a deployment need before they start."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import click

from stillhouse.errors import FailedPrecondition
from stillhouse.local.prepare import Workspace, prepare_index, prepare_model, prepare_teacher
from stillhouse.recipe import Recipe


@click.command()
@click.argument("recipe", type=click.Path(path_type=Path))
@click.option(
    "--workspace", type=click.Path(path_type=Path), default=Path(".stillhouse"),
    show_default=True, help="Folder that the services mount.",
)  # fmt: skip
def prepare(recipe: Path, workspace: Path) -> None:
    """Make the models and the index of RECIPE, where services find them.

    The first teacher and the index are models/teacher and indexes/corpus in the workspace, links
    to what is kept there under its own name, as is the model that student.start names; what is
    there already is not made again. Prints each with its digest.
    """
    plan = Recipe.read(recipe)
    space = Workspace(workspace.resolve())
    teacher = prepare_teacher(plan, space)
    if plan.student.named is not None:
        student = prepare_model(plan.student.named, space, "recipe.student.start")
        click.echo(f"student {student.uri} {student.digest}")
    index = prepare_index(plan, teacher, space, lambda text: click.echo(text, err=True))
    manifest = hashlib.sha256((index / "manifest.json").read_bytes()).hexdigest()
    click.echo(f"teacher {_link(space.models / 'teacher', Path(teacher.uri))} {teacher.digest}")
    click.echo(f"index {_link(space.indexes / 'corpus', index)} {manifest}")


def _link(path: Path, folder: Path) -> Path:
    """Let `path` lead to `folder`, all at once where it led elsewhere."""
    if path.exists() and not path.is_symlink():
        raise FailedPrecondition(f"{path} is no link of an earlier preparation; move it away")
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}-{os.getpid()}")
    fresh.symlink_to(os.path.relpath(folder, path.parent))
    fresh.replace(path)
    return path
