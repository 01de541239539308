"""Writing down what a student was made of, once it is trained."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pyarrow.parquet as pq

from services.trainer.files import RunFolder
from services.trainer.lineage import (
    Code,
    Dataset,
    Manifest,
    Origin,
    UsedRecipe,
    file_digest,
    write_manifest,
)
from stillhouse.generator.types import ModelPointer

_PACKAGE = "stillhouse-services"


def record(
    student: ModelPointer,
    *,
    run: RunFolder,
    recipe_name: str,
    teacher_name: str,
    teacher: ModelPointer,
    dataset: Path,
    seeds: Mapping[str, int],
    start_name: str = "",
    start: ModelPointer | None = None,
) -> None:
    """Write the manifest of a student of `run` into its folder.

    start: the model whose weights were trained; None, or the same one: the teacher.
    """
    folder = Path(student.uri)

    def seen_from_it(path: Path) -> str:
        inside = path.resolve().is_relative_to(run.path.resolve())
        return os.path.relpath(path.resolve(), folder.resolve()) if inside else str(path.resolve())

    def origin(name: str, model: ModelPointer) -> Origin:
        return Origin(name, seen_from_it(Path(model.uri)), model.digest)

    manifest = Manifest(
        digest=student.digest,
        run=run.id,
        generation=student.generation,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        teacher=origin(teacher_name, teacher),
        dataset=Dataset(
            seen_from_it(dataset), file_digest(dataset), pq.read_metadata(dataset).num_rows
        ),
        recipe=UsedRecipe(recipe_name, seen_from_it(run.recipe), file_digest(run.recipe)),
        seeds=dict(seeds),
        code=code_version(),
        start=origin(start_name, start) if start and start.digest != teacher.digest else None,
    )
    write_manifest(folder, manifest)


def code_version(file: Path = Path(__file__)) -> Code:
    """Version and commit; a commit ends in `-dirty` where files differ from it.

    The commit is empty unless `file` is tracked by the repository around it: an installed
    package often lies inside somebody else's.
    """
    try:
        number = version(_PACKAGE)
    except PackageNotFoundError:
        number = "unknown"
    if _git(file, "ls-files", "--error-unmatch", file.name) is None:
        return Code(number, "")
    commit = _git(file, "describe", "--always", "--abbrev=40", "--dirty", "--exclude=*")
    return Code(number, commit or "")


def _git(file: Path, *arguments: str) -> str | None:
    command = ["git", "-C", str(file.parent), *arguments]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip()
