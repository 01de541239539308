"""Which layers matter: students trained on what the filter keeps with a layer left out.

Every arm reads the first generation of the same run and has as many samples, so that only
their choice differs: by the whole filter, by the filter without one layer, or by lot.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from services.checkpoints.digest import digest
from services.checkpoints.load import load_tokenizer
from services.trainer import tables
from services.trainer.cascades import CONSTRAINTS, cascade_of
from services.trainer.examiner import Examiner, patiently
from services.trainer.files import RunFolder, read_table
from services.trainer.prompts import derived_seed, make_prompt
from services.trainer.students.pairs import Pair
from services.trainer.students.running import trained
from services.trainer.students.training import Job
from services.trainer.systems import TEACHER
from stillhouse.corpus import SourceDocument
from stillhouse.errors import InvalidArgument
from stillhouse.filter.client import AsyncFilterClient
from stillhouse.filter.types import Candidate, Cascade, Document, Verdict
from stillhouse.generator.client import AsyncGeneratorClient
from stillhouse.generator.types import ModelPointer
from stillhouse.recipe import TEACHER as FROM_TEACHER
from stillhouse.recipe import Recipe

FULL, BY_LOT = "whole filter", "by lot"
_DOCUMENTS_AT_ONCE = 16
_FULL_RATE = 0.1  # of LoRA's learning rate


@dataclass(frozen=True, slots=True)
class Arm:
    """Which candidates a student is trained on: all that passed, all but those that the layer
    `without` rejected, or any; and how many layers the student keeps (0: all).
    """

    name: str
    without: str = ""
    by_lot: bool = False
    student_layers: int = 0


@dataclass(frozen=True)
class Bench:
    """A finished run, the services that it is looked at with, and where the students go."""

    run: RunFolder
    recipe: Recipe
    teacher: ModelPointer
    generator: AsyncGeneratorClient
    judge: AsyncFilterClient
    folder: RunFolder


def arms_of(recipe: Recipe, layers: Sequence[str], student_layers: Sequence[int]) -> list[Arm]:
    """The arms of a recipe; `layers` are left out in turn, none: each of its layers.

    InvalidArgument for a layer that the recipe does not have.
    """
    known = [one.name for one in cascade_of(recipe).layers if one.name != CONSTRAINTS]
    unknown = [one for one in layers if one not in known]
    if unknown:
        raise InvalidArgument(
            "--layer", f"{unknown[0]} is not in the recipe; it has: {', '.join(known)}"
        )
    return [
        Arm(FULL),
        Arm(BY_LOT, by_lot=True),
        *(Arm(f"without {one}", one) for one in layers or known),
        *(Arm(f"{FULL}, {n} layers", student_layers=n) for n in student_layers),
    ]


async def ablate(
    bench: Bench,
    arms: Sequence[Arm],
    held_out: Sequence[SourceDocument],
    say: Callable[[str], None],
) -> dict[str, int]:
    """Train and examine a student for each arm; its samples by arm. Tables lie in the bench's
    folder; a student or table that is there is not made again.
    """
    candidates, verdicts = tables.judged_from(read_table(bench.run.verdicts(1)))
    training, _ = tables.documents_from(read_table(bench.run.documents))
    texts = {one.id: one.text for one in training}
    count = sum(one.accepted for one in verdicts)
    tokenizer = load_tokenizer(Path(bench.teacher.uri))

    def prompt(text: str) -> str:
        return make_prompt(text, bench.recipe.prompt, tokenizer)

    prompts = {one.id: prompt(one.text) for one in held_out}
    examiner = Examiner(
        bench.generator, bench.judge, bench.recipe, bench.folder, held_out, lambda _: None
    )
    say(TEACHER)
    await examiner.model(TEACHER, bench.teacher, prompts)
    used: dict[str, int] = {}
    for arm in arms:
        say(arm.name)
        kept = await _kept(bench, arm, candidates, verdicts, texts)
        chosen = choose(kept, count, derived_seed(bench.recipe.seed, f"ablation {arm.name}"))
        used[arm.name] = len(chosen)
        pairs = [Pair(prompt(texts[one.source_id]), one.text, one.source_id) for one in chosen]
        student = await _student(bench, arm, pairs)
        await examiner.model(arm.name, student, prompts)
    return used


def choose(candidates: Sequence[Candidate], count: int, seed: int) -> list[Candidate]:
    """`count` candidates by lot, in their order; all of them where there are no more."""
    if len(candidates) <= count:
        return list(candidates)
    places = sorted(random.Random(seed).sample(range(len(candidates)), count))
    return [candidates[place] for place in places]


def reached(
    layer: str,
    order: Sequence[str],
    candidates: Sequence[Candidate],
    verdicts: Sequence[Verdict],
) -> list[Candidate]:
    """The candidates that none of the layers before `layer` rejected.

    What was rejected behind the cascade (a near-duplicate in the buffer) passed all of it.
    """
    before = set(order[: order.index(layer)])
    return [
        candidate
        for candidate, verdict in zip(candidates, verdicts, strict=True)
        if verdict.accepted or verdict.layer not in before
    ]


def without(cascade: Cascade, layer: str) -> Cascade:
    """The cascade with one layer left out."""
    return replace(cascade, layers=tuple(one for one in cascade.layers if one.name != layer))


async def _kept(
    bench: Bench,
    arm: Arm,
    candidates: Sequence[Candidate],
    verdicts: Sequence[Verdict],
    texts: Mapping[str, str],
) -> list[Candidate]:
    """What the arm may train on, in order."""
    if arm.by_lot:
        return [one for one in candidates if one.text]
    if not arm.without:
        pairs = zip(candidates, verdicts, strict=True)
        return [candidate for candidate, verdict in pairs if verdict.accepted]
    cascade = cascade_of(bench.recipe)
    order = [one.name for one in cascade.layers]
    asked = reached(arm.without, order, candidates, verdicts)
    sources = list(dict.fromkeys(one.source_id for one in asked))
    kept: list[Candidate] = []
    for start in range(0, len(sources), _DOCUMENTS_AT_ONCE):
        part = sources[start : start + _DOCUMENTS_AT_ONCE]
        documents = [Document(one, texts[one]) for one in part]
        there = set(part)
        those = [one for one in asked if one.source_id in there]
        result = await patiently(
            lambda d=documents, c=those: bench.judge.evaluate(  # type: ignore[misc]
                without(cascade, arm.without), d, c
            )
        )
        judged = zip(those, result.verdicts, strict=True)
        kept += [candidate for candidate, verdict in judged if verdict.accepted]
    return kept


async def _student(bench: Bench, arm: Arm, pairs: Sequence[Pair]) -> ModelPointer:
    name = arm.name.replace(", ", "-").replace(" ", "-")
    folder = bench.folder.path / f"student-{name}"
    if arm.name == FULL and _as_the_run_would(bench.recipe):
        folder = bench.run.student(1)
    settings = bench.recipe.student
    if arm.student_layers:
        # What was around a dropped layer must be learnt anew, by every weight.
        smaller: dict[str, Any] = {"layers": arm.student_layers, "method": "full"}
        if settings.method == "lora":
            smaller["learning_rate"] = settings.learning_rate * _FULL_RATE
        settings = settings.model_copy(update=smaller)
    if not folder.exists():
        job = Job(
            start=bench.teacher,
            pairs=pairs,
            settings=settings,
            seed=derived_seed(bench.recipe.seed, "student 1"),
            folder=folder,
            checkpoints=bench.folder.path / "training" / name,
        )
        await trained(job, lambda _: None)
    return ModelPointer(str(folder.resolve()), await asyncio.to_thread(digest, folder), 1)


def _as_the_run_would(recipe: Recipe) -> bool:
    """Whether the run's first student is that of the whole filter: no codes, no other start."""
    return recipe.student.start == FROM_TEACHER and not (
        recipe.control.active or recipe.expert_rounds
    )
