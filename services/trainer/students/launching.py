"""A training in several processes, one for each GPU, begun by torch's launcher.

Each computes its part of every batch, so the student is that of one process up to rounding.
The job is a file; progress and errors come back as lines of JSON. The processes live as long
as their standard input: whoever asked for the training closes it, or dies, and they end.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from itertools import takewhile
from pathlib import Path
from typing import IO, Any

import torch
import torch.distributed as dist

from services.trainer.files import read_json, write_text
from services.trainer.students.callbacks import Report
from services.trainer.students.pairs import Pair
from services.trainer.students.progress import Progress
from services.trainer.students.training import Job, train
from stillhouse.errors import Cancelled, FailedPrecondition, InvalidArgument, StillhouseError
from stillhouse.generator.types import ModelPointer
from stillhouse.recipe import Student

_LOOK = 0.2  # seconds between two looks whether to stop
_TAIL = 2000  # characters of what a failed training said
_LAUNCHER = "torch/distributed/elastic/multiprocessing/api.py"  # is in the first line of its report


def launched(job: Job, processes: int, report: Report, cancelled: Callable[[], bool]) -> None:
    """As `train`, in several processes; a stop loses what came after the last checkpoint."""
    file = job.checkpoints / "job.json"
    write_text(file, json.dumps(_values(job)))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += [f"--nproc-per-node={processes}", "-m", "services.trainer.students", str(file)]
    threads = max(1, torch.get_num_threads() // processes)
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as errors:
        work = subprocess.Popen(
            command,
            env={**os.environ, "OMP_NUM_THREADS": str(threads)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        with work, _ended_when(cancelled, work):
            assert work.stdout is not None
            failure = _listen(work.stdout, report)
        if cancelled():
            raise Cancelled("training was stopped")
        if failure:
            raise failure
        if work.returncode:
            errors.seek(0)
            raise FailedPrecondition(
                f"a process that trained the student ended with {work.returncode}; it said: "
                f"{_last_words(errors.read())}"
            )


def work_on(file: Path) -> None:
    """What each of the processes does."""
    threading.Thread(target=_end_with_input, daemon=True).start()
    first = os.environ.get("RANK") == "0"
    try:
        train(_job(read_json(file)), _told if first else lambda _: None, lambda: False)
    except StillhouseError as error:
        if first:
            field = getattr(error, "field", "")
            print(json.dumps({"error": getattr(error, "reason", str(error)), "field": field}))
        raise
    finally:
        # Gloo's threads, if they outlive the interpreter, abort the process (pytorch #179291).
        if dist.is_initialized():
            dist.destroy_process_group()


@contextmanager
def _ended_when(cancelled: Callable[[], bool], work: subprocess.Popen[str]) -> Iterator[None]:
    over = threading.Event()

    def watch() -> None:
        while not over.wait(_LOOK):
            if cancelled() and work.stdin and not work.stdin.closed:
                work.stdin.close()

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


def _listen(lines: IO[str], report: Report) -> StillhouseError | None:
    """Pass progress on until the end; the error that was told, if one was."""
    failure: StillhouseError | None = None
    for line in lines:
        try:
            values = json.loads(line)
        except ValueError:
            continue  # a library that talks
        if isinstance(values, dict) and "error" in values:
            field, reason = values["field"], values["error"]
            failure = InvalidArgument(field, reason) if field else FailedPrecondition(reason)
        elif isinstance(values, dict) and "step" in values:
            report(Progress(**values))
    return failure


def _last_words(said: str) -> str:
    """What the processes said last; what the launcher adds of its own tells no cause."""
    own = "\n".join(takewhile(lambda line: _LAUNCHER not in line, said.splitlines()))
    return (own.strip() or said.strip())[-_TAIL:]


def _told(progress: Progress) -> None:
    print(json.dumps(asdict(progress)), flush=True)


def _end_with_input() -> None:
    while os.read(sys.stdin.fileno(), 1):
        pass
    os._exit(1)


def _values(job: Job) -> dict[str, Any]:
    return {
        "start": asdict(job.start),
        "pairs": [asdict(pair) for pair in job.pairs],
        "settings": job.settings.model_dump(mode="json"),
        "seed": job.seed,
        "folder": str(job.folder.resolve()),
        "checkpoints": str(job.checkpoints.resolve()),
    }


def _job(values: dict[str, Any]) -> Job:
    return Job(
        start=ModelPointer(**values["start"]),
        pairs=[Pair(**pair) for pair in values["pairs"]],
        settings=Student(**values["settings"]),
        seed=values["seed"],
        folder=Path(values["folder"]),
        checkpoints=Path(values["checkpoints"]),
    )
