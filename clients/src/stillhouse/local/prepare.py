"""What a run on this machine needs before its services start: teacher, documents, index."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from stillhouse import corpus
from stillhouse.corpus import SourceDocument
from stillhouse.corpus.topics import topics
from stillhouse.errors import FailedPrecondition, InvalidArgument
from stillhouse.generator.types import ModelPointer
from stillhouse.recipe import Recipe

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Workspace:
    """Folders that are kept between runs: converted teachers, indexes, logs."""

    root: Path

    @property
    def models(self) -> Path:
        """Converted and fetched teachers."""
        return self.root / "models"

    @property
    def indexes(self) -> Path:
        """Built indexes, named by what went into them."""
        return self.root / "indexes"

    @property
    def logs(self) -> Path:
        """Logs of the services."""
        return self.root / "logs"


def prepare_teacher(recipe: Recipe, workspace: Workspace) -> ModelPointer:
    """The teacher as a folder."""
    return prepare_model(recipe.teacher.model, workspace, "recipe.teacher.model")


def prepare_model(name: str, workspace: Workspace, field: str) -> ModelPointer:
    """A model as a folder. In a process of its own, since it needs torch and memory.

    InvalidArgument for `field` if there is no such model.
    """
    command = [sys.executable, "-m", "services.checkpoints.materialise", name]
    command += ["--store", str(workspace.models)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        raise _failure(result.stderr, field)
    answer = json.loads(result.stdout.strip().splitlines()[-1])
    return ModelPointer(answer["uri"], answer["digest"])


def _failure(stderr: str, named: str) -> Exception:
    lines = stderr.strip().splitlines() or ["it ended without a word"]
    for line in reversed(lines):
        if line.startswith("error: "):
            field, _, reason = line.removeprefix("error: ").partition(": ")
            return InvalidArgument(named if field == "recipe.teacher.model" else field, reason)
    return FailedPrecondition(f"{named}: the model could not be prepared: {lines[-1]}")


def prepare_index(recipe: Recipe, teacher: ModelPointer, workspace: Workspace, say: Say) -> Path:
    """The novelty index over the recipe's documents and `pydoc_data.topics`, built once."""
    from services.index.build import build_index  # noqa: PLC0415  (services are optional)

    tokenizer = Path(teacher.uri) / "tokenizer.json"
    if not tokenizer.is_file():
        raise InvalidArgument(
            "recipe.teacher.model",
            f"no {tokenizer}, which the index needs; save the model with its fast tokenizer",
        )
    documents = [*corpus.load(recipe.corpus), *topics()]
    folder = workspace.indexes / _key(documents, tokenizer)
    if not folder.exists():
        say(f"building the index over {len(documents)} documents")
        ids = [one.id for one in documents]
        build_index((one.text for one in documents), tokenizer, folder, ids)
    return folder


def _key(documents: list[SourceDocument], tokenizer: Path) -> str:
    total = hashlib.sha256(tokenizer.read_bytes())
    for one in documents:
        total.update(f"{one.id}\0{one.text}\0".encode())
    return total.hexdigest()[:16]
