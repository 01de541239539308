"""By which guidance scale a run's students listen best: chosen on documents that the run never
used, then measured on those it held out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from services.checkpoints.load import load_tokenizer
from services.experiments.evaluating import students
from services.trainer import obtained
from services.trainer.asking import Asking
from services.trainer.files import RunFolder, read_table, write_table
from services.trainer.systems import TEACHER, student_name
from stillhouse.corpus import SourceDocument
from stillhouse.errors import FailedPrecondition, InvalidArgument
from stillhouse.generator.types import ModelPointer
from stillhouse.recipe import Recipe

PLAIN = 1.0  # the scale at which a prompt stands for itself
HELD_OUT = "held out"
Writer = Callable[[ModelPointer], obtained.Write]


@dataclass(frozen=True, slots=True)
class Listener:
    """A model, and how it is asked."""

    name: str
    pointer: ModelPointer
    asking: Asking


@dataclass(frozen=True)
class Found:
    """`chosen` is the scale; `rows` by scale, of the last student on documents not used before,
    and of every system on the held-out ones.
    """

    chosen: float
    validation: Mapping[float, Sequence[obtained.Row]]
    held_out: Mapping[float, Sequence[obtained.Row]]


def listeners(run: RunFolder, recipe: Recipe, teacher: ModelPointer) -> list[Listener]:
    """The teacher where its codes are words, and the students of a run.

    InvalidArgument for a run without control, FailedPrecondition for one without students.
    """
    if not recipe.control.active:
        raise InvalidArgument("RUN", f"{run.id} controls nothing; its recipe needs `control`")
    found = []
    tokenizer = load_tokenizer(Path(teacher.uri))
    if recipe.control.in_words:
        found.append(Listener(TEACHER, teacher, Asking.teacher(recipe, tokenizer)))
    trained = students(run, recipe)
    if not trained:
        raise FailedPrecondition(f"{run.id} has no student yet; run it to its end")
    for pointer in trained:
        asking = Asking.student(recipe, load_tokenizer(Path(pointer.uri)))
        found.append(Listener(student_name(pointer.generation), pointer, asking))
    return found


def unused(
    run: RunFolder, recipe: Recipe, training: Sequence[SourceDocument], count: int
) -> list[SourceDocument]:
    """The first `count` of the documents that the run might have written about and didn't."""
    used: set[str] = set()
    for generation in range(1, recipe.generations + 1):
        path = run.verdicts(generation)
        if path.exists():
            used.update(read_table(path, ["source_id"])["source_id"].unique().to_pylist())
    found = [one for one in training if one.id not in used][:count]
    if len(found) < count:
        raise InvalidArgument(
            "--documents", f"is {count}; the run left {len(found)} documents unused"
        )
    return found


async def listen(
    systems: Sequence[Listener],
    write: Writer,
    scales: Sequence[float],
    unused_documents: Sequence[SourceDocument],
    held_out: Sequence[SourceDocument],
    run: RunFolder,
    folder: RunFolder,
    recipe: Recipe,
    say: Callable[[str], None],
) -> Found:
    """Choose the scale at which the last system listens best, then ask all by it and plainly.

    Tables lie in `folder`; one that is there is not made again, nor what the run's own evaluation
    asked.
    """
    known = _asked_by(run)

    async def table(
        system: Listener, scale: float, which: str, documents: Sequence[SourceDocument]
    ) -> pa.Table:
        if which == HELD_OUT and scale == recipe.control.guidance_scale and system.name in known:
            return known[system.name]
        path = folder.evaluation(f"{system.name} {which} {scale:g}")
        if not path.exists():
            say(f"{system.name}, scale {scale:g}, {which}")
            control = system.asking.control.model_copy(update={"guidance_scale": scale})
            asking = Asking(system.asking.prompt, system.asking.tokenizer, control)
            found = await obtained.obtain(system.name, write(system.pointer), asking, documents)
            write_table(path, found)
        return read_table(path)

    def rows(parts: Sequence[pa.Table]) -> list[obtained.Row]:
        resamples = recipe.evaluation.resamples
        return obtained.summarise(pa.concat_tables(parts), resamples=resamples, seed=recipe.seed)

    last = systems[-1]
    validation = {
        scale: rows([await table(last, scale, "unused", unused_documents)]) for scale in scales
    }
    chosen = max(scales, key=lambda one: sum(row.spearman.mean for row in validation[one]))
    held = {
        scale: rows([await table(one, scale, HELD_OUT, held_out) for one in systems])
        for scale in dict.fromkeys((PLAIN, chosen))
    }
    return Found(chosen, validation, held)


def _asked_by(run: RunFolder) -> dict[str, pa.Table]:
    """What each system gave in the run's own evaluation."""
    path = run.evaluation(obtained.CONTROL)
    if not path.exists():
        return {}
    table = read_table(path)
    names = table["system"].unique().to_pylist()
    return {name: table.filter(pc.equal(table["system"], name)) for name in names}
