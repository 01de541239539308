"""The folder of a run and the files in it, each written whole or not at all.

.lock                       held by the process that works on the run
recipe.yaml                 the recipe with every default filled in
models.json                 the digests of its teacher and of what its students start from
state.json                  how far the run has come
documents.parquet           what it reads; `held_out` marks the evaluation's
verdicts/parts/             one file a batch, until the training buffer has it
verdicts/buffer/gen-N/      the training buffer, while its generation is collected
verdicts/gen-N.parquet      every candidate of a generation with its verdict
dataset/gen-N.parquet       the accepted ones, with document and provenance
training/gen-N/             checkpoints, while its student is trained
student-genN/               the student, for AutoModelForCausalLM.from_pretrained, and its
                            lineage.yaml
evaluation/NAME.parquet     a system's texts and scores on the held-out documents
evaluation/control.parquet  what students gave of what they were asked for
evaluation/comparison.parquet   their means and differences with intervals
plots/NAME.png              what the report shows
report.md
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from services.runtime.disk import sync
from stillhouse.errors import FailedPrecondition, NotFound

log = logging.getLogger(__name__)


class RunFolder:
    """Paths of one run, and writing to them."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def id(self) -> str:
        """The run's id: the folder's name."""
        return self.path.name

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the folder against other processes; it must be there.

        What one that was killed left of a student is removed. FailedPrecondition while another
        one works on it.
        """
        with (self.path / ".lock").open("ab") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise FailedPrecondition(
                    f"another process works on {self.path}; wait for it, or stop it"
                ) from None
            except OSError as error:  # a file system without locks
                log.warning("nothing keeps a second process off %s: %s", self.path, error)
            for left in self.path.glob(".student-gen*"):
                shutil.rmtree(left)
            yield

    @property
    def recipe(self) -> Path:
        """The recipe as run."""
        return self.path / "recipe.yaml"

    @property
    def models(self) -> Path:
        """The digests of the models it began with."""
        return self.path / "models.json"

    @property
    def state(self) -> Path:
        """How far the run has come."""
        return self.path / "state.json"

    @property
    def documents(self) -> Path:
        """The documents."""
        return self.path / "documents.parquet"

    @property
    def report(self) -> Path:
        """The report."""
        return self.path / "report.md"

    def part(self, generation: int, batch: int) -> Path:
        """The verdicts of one batch, as they came from the filter."""
        return self.path / "verdicts" / "parts" / f"gen-{generation}-batch-{batch:06d}.parquet"

    def verdicts(self, generation: int) -> Path:
        """All final verdicts of a generation."""
        return self.path / "verdicts" / f"gen-{generation}.parquet"

    def dataset(self, generation: int) -> Path:
        """The accepted samples of a generation."""
        return self.path / "dataset" / f"gen-{generation}.parquet"

    def student(self, generation: int) -> Path:
        """The student of a generation."""
        return self.path / f"student-gen{generation}"

    def students(self) -> list[Path]:
        """The students that are there, by generation."""
        found = self.path.glob("student-gen*/config.json")
        return sorted((one.parent for one in found), key=lambda one: int(one.name[11:]))

    def training(self, generation: int) -> Path:
        """The checkpoints of a student in training."""
        return self.path / "training" / f"gen-{generation}"

    def evaluation(self, system: str) -> Path:
        """A system's results on the held-out documents."""
        return self.path / "evaluation" / f"{system}.parquet"

    def buffer(self, generation: int) -> Path:
        """The training buffer of a generation, while that is collected."""
        return self.path / "verdicts" / "buffer" / f"gen-{generation}"

    def drop_training(self, generation: int) -> None:
        """Remove the checkpoints of a student that is saved."""
        shutil.rmtree(self.training(generation), ignore_errors=True)

    def evaluations(self) -> list[Path]:
        """All files beside the systems' results, theirs too."""
        return sorted((self.path / "evaluation").glob("*.parquet"))

    @property
    def comparison(self) -> Path:
        """Means and differences of all systems."""
        return self.evaluation("comparison")

    @property
    def judgements(self) -> Path:
        """What a judge said of pairs of systems."""
        return self.evaluation("judgements")

    @property
    def control(self) -> Path:
        """Lengths asked and obtained."""
        return self.evaluation("control")

    def plot(self, name: str) -> Path:
        """A plot of the report."""
        return self.path / "plots" / f"{name}.png"

    def drop_parts(self) -> None:
        """Remove what led to a generation that is complete: its parts and its buffer."""
        for name in ("parts", "buffer"):
            shutil.rmtree(self.path / "verdicts" / name, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all."""
    with replacing_file(path) as part:
        part.write_text(text, encoding="utf-8")


def write_table(path: Path, table: pa.Table) -> None:
    """Write a Parquet file whole or not at all."""
    with replacing_file(path) as part:
        pq.write_table(table, part, compression="zstd")


@contextmanager
def table_writer(path: Path, schema: pa.Schema) -> Iterator[pq.ParquetWriter]:
    """Write a Parquet file whole or not at all, a row group at a time."""
    with replacing_file(path) as part, pq.ParquetWriter(part, schema, compression="zstd") as writer:
        yield writer


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    with replacing_file(path) as part:
        part.write_bytes(content)


def read_table(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """Read a Parquet file, or some of its columns; NotFound or FailedPrecondition name it."""
    if not path.is_file():
        raise NotFound(f"no file {path}")
    try:
        return pq.read_table(path, columns=columns)
    except pa.ArrowException as error:
        raise FailedPrecondition(f"{path} is damaged: {error}") from None


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object; NotFound or FailedPrecondition name it."""
    if not path.is_file():
        raise NotFound(f"no file {path}")
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise FailedPrecondition(f"{path} is damaged: {error}") from None
    if not isinstance(value, dict):
        raise FailedPrecondition(f"{path} is damaged: not an object")
    return value


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """A folder beside `path` to fill; it takes the place of `path` when the block ends well.

    All of it is on disk before it does, so that no failure of power leaves it with empty files.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
    try:
        yield part
        part.chmod(0o755)
        for place in (*part.rglob("*"), part):
            sync(place)
        if path.exists():
            shutil.rmtree(path)
        os.replace(part, path)
        sync(path.parent)
    finally:
        shutil.rmtree(part, ignore_errors=True)


@contextmanager
def replacing_file(path: Path) -> Iterator[Path]:
    """A path beside `path` to write; the file takes that place when the block ends well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    try:
        yield part
        sync(part)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
