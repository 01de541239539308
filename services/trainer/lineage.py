"""Where a student comes from: the manifest in its folder, and the chain to the first teacher.

The manifest is `lineage.yaml`, which is none of the files that a model's digest is made
of. Paths in it count from the student's folder, so that a run may be moved as a whole;
what lies outside the run is named absolutely.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from services.checkpoints.digest import digest
from services.trainer.files import write_text
from stillhouse.errors import FailedPrecondition, NotFound

MANIFEST = "lineage.yaml"
_FORMAT = 1
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Origin:
    """A model that a student comes from; `name` as the recipe or the run calls it."""

    name: str
    path: str
    digest: str


@dataclass(frozen=True, slots=True)
class Dataset:
    """The accepted samples that a student was trained on; `digest` is SHA-256 of the file."""

    path: str
    digest: str
    rows: int


@dataclass(frozen=True, slots=True)
class UsedRecipe:
    """The recipe of the run; `digest` is SHA-256 of the file."""

    name: str
    path: str
    digest: str


@dataclass(frozen=True, slots=True)
class Code:
    """Version of the package, and the commit where it ran from a checkout (else empty)."""

    version: str
    commit: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """Everything that a student was made of.

    digest: of the student, as `services.checkpoints.digest`. generation: from 1. created: UTC,
    ISO 8601. teacher: the model that wrote the data set. seeds: by purpose. start: the model
    whose weights were trained, where that is not the teacher.
    """

    digest: str
    run: str
    generation: int
    created: str
    teacher: Origin
    dataset: Dataset
    recipe: UsedRecipe
    seeds: Mapping[str, int]
    code: Code
    start: Origin | None = None


@dataclass(frozen=True, slots=True)
class Link:
    """One model of a chain: where it is, which it must be, and what does not hold.

    `manifest` is None for the first teacher, and for a model that is missing.
    """

    name: str
    folder: Path
    digest: str
    manifest: Manifest | None
    problems: tuple[str, ...] = ()


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest into the student's folder; its digest stays as it is."""
    content = {"format": _FORMAT, **asdict(manifest)}
    write_text(folder / MANIFEST, yaml.safe_dump(content, sort_keys=False, allow_unicode=True))


def read_manifest(folder: Path) -> Manifest:
    """The manifest in a student's folder.

    NotFound if it has none (a first teacher has none); FailedPrecondition if it is damaged
    or of a later format.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise NotFound(f"no {MANIFEST} in {folder}: it is no student of a run")
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        if content.pop("format") != _FORMAT:
            raise FailedPrecondition(f"{path} has another format; read it with a newer version")
        return _manifest(content)
    except (AttributeError, KeyError, TypeError, ValueError, yaml.YAMLError) as error:
        raise FailedPrecondition(f"{path} is damaged: {error!r}") from None


def chain(folder: Path, *, check: bool = True) -> list[Link]:
    """The models from the student in `folder` back to the first teacher.

    With `check`, digests of models, datasets and recipes are computed again and compared,
    which reads every file; without, only what is missing is told. A model that is missing
    ends the chain, since what it came from stands in its own folder.
    NotFound if `folder` holds no model; FailedPrecondition if a manifest is damaged.
    """
    if not (folder / "config.json").is_file():
        raise NotFound(f"no model in {folder}: a folder with config.json is needed")
    links: list[Link] = []
    seen: set[Path] = set()
    name, wanted, following = folder.name, "", folder
    while True:
        following = Path(os.path.normpath(following))
        link = _link(name, following, wanted, check)
        links.append(link)
        seen.add(following)
        if link.manifest is None:
            return links
        teacher = link.manifest.teacher
        name, wanted, following = teacher.name, teacher.digest, following / teacher.path
        if Path(os.path.normpath(following)) in seen:
            circle = f"changed: its teacher is to be in {teacher.path}, where its student is"
            links[-1] = replace(link, problems=(*link.problems, circle))
            return links


def file_digest(path: Path) -> str:
    """SHA-256 of a file, hex."""
    total = hashlib.sha256()
    with path.open("rb") as file:
        while part := file.read(_CHUNK):
            total.update(part)
    return total.hexdigest()


def _link(name: str, folder: Path, wanted: str, check: bool) -> Link:
    if not (folder / "config.json").is_file():
        return Link(name, folder, wanted, None, (f"missing: no model in {folder}",))
    manifest = read_manifest(folder) if (folder / MANIFEST).is_file() else None
    problems = []
    own = manifest.digest if manifest else wanted
    if wanted and own != wanted:
        problems.append(f"changed: its student names {wanted[:12]}, its manifest {own[:12]}")
    if check:
        found = digest(folder)
        if own and found != own:
            problems.append(f"changed: {folder} is {found[:12]} now")
        own = own or found
    if manifest:
        for used in (manifest.dataset, manifest.recipe):
            problems += _file_problems(folder / used.path, used.digest, check)
        if manifest.start:
            problems += _start_problems(folder / manifest.start.path, manifest.start, check)
    return Link(name, folder, wanted or own, manifest, tuple(problems))


def _file_problems(path: Path, wanted: str, check: bool) -> list[str]:
    path = Path(os.path.normpath(path))
    if not path.is_file():
        return [f"missing: {path}"]
    if check and (found := file_digest(path)) != wanted:
        return [f"changed: {path} is {found[:12]} now, was {wanted[:12]}"]
    return []


def _start_problems(path: Path, wanted: Origin, check: bool) -> list[str]:
    path = Path(os.path.normpath(path))
    if not (path / "config.json").is_file():
        return [f"missing: no model in {path}, whose weights it was trained from"]
    if check and (found := digest(path)) != wanted.digest:
        return [f"changed: {path} is {found[:12]} now, was {wanted.digest[:12]}"]
    return []


def _manifest(content: dict[str, Any]) -> Manifest:
    return Manifest(
        digest=str(content["digest"]),
        run=str(content["run"]),
        generation=int(content["generation"]),
        created=str(content["created"]),
        teacher=Origin(**content["teacher"]),
        dataset=Dataset(**content["dataset"]),
        recipe=UsedRecipe(**content["recipe"]),
        seeds={str(name): int(seed) for name, seed in content["seeds"].items()},
        code=Code(**content["code"]),
        start=Origin(**content["start"]) if content.get("start") else None,
    )
