"""Evaluating models outside of a run: through the same doors, into the same tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from services.checkpoints.digest import digest
from services.checkpoints.load import load_tokenizer
from services.trainer import tables
from services.trainer.documents import with_references
from services.trainer.examiner import Examiner
from services.trainer.files import RunFolder, read_table
from services.trainer.prompts import make_prompt
from services.trainer.systems import TEACHER, student_name
from stillhouse.corpus import SourceDocument
from stillhouse.corpus.read import fits, read
from stillhouse.errors import InvalidArgument
from stillhouse.filter.client import AsyncFilterClient
from stillhouse.generator.client import AsyncGeneratorClient
from stillhouse.generator.types import ModelPointer
from stillhouse.local.rivals import Rivals
from stillhouse.local.stack import INDEPENDENT_FILTER, server_name
from stillhouse.recipe import PromptTemplate, Recipe

_FIELDS = ("document", "summary")
_HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class System:
    """A model to examine: `pointer` for the stack's generator, or the `target` of its own."""

    name: str
    prompt: PromptTemplate
    pointer: ModelPointer | None = None
    target: str = ""


def read_documents(path: Path, recipe: Recipe) -> list[SourceDocument]:
    """All documents of a file with the recipe's fields, or with `document` and `summary`.

    InvalidArgument names what can't be read.
    """
    every = {"source": str(path), "min_sentences": 1, "max_characters": 2**31}
    given = recipe.corpus.model_copy(update=every)
    named = given.model_copy(update={"text_field": _FIELDS[0], "reference_field": _FIELDS[1]})
    found = read(named if fits(named) else given)
    if not found.documents:
        raise InvalidArgument("--documents", f"{path} holds no document")
    return with_references(found.documents, recipe)


def trained_on(run: RunFolder, documents: Sequence[SourceDocument]) -> str:
    """How many of the documents the run trained on, for a title; empty for none."""
    training, _ = tables.documents_from(read_table(run.documents))
    known = {one.text for one in training}
    seen = sum(one.text in known for one in documents)
    return f" ({seen} of them trained on)" if seen else ""


def students(run: RunFolder, recipe: Recipe) -> list[ModelPointer]:
    """The students that a run has trained so far."""
    folders = {one: run.student(one) for one in range(1, recipe.generations + 1)}
    return [
        ModelPointer(str(folder.resolve()), digest(folder), generation)
        for generation, folder in folders.items()
        if folder.exists()
    ]


def systems_of(
    recipe: Recipe,
    teacher: ModelPointer,
    run: RunFolder | None,
    rivals: Rivals,
    targets: Mapping[str, str],
) -> list[System]:
    """Teacher, the students of a run, and the further models, of a stack with these targets."""
    found = [System(TEACHER, recipe.prompt, teacher)]
    for pointer in students(run, recipe) if run else ():
        chat = recipe.prompt.chat and _has_chat_template(pointer)
        prompt = recipe.prompt.model_copy(update={"chat": chat})
        found.append(System(student_name(pointer.generation), prompt, pointer))
    for one in recipe.evaluation.models:
        template = one.template or recipe.prompt.template
        if one.name in rivals.folders:
            pointer = rivals.folders[one.name]
            chat = not one.template and _has_chat_template(pointer)
            found.append(System(one.name, PromptTemplate(template=template, chat=chat), pointer))
        else:
            target = rivals.targets.get(one.name) or targets[server_name(one.name)]
            plain = PromptTemplate(template=template, chat=False)
            found.append(System(one.name, plain, target=target))
    return found


async def examine(
    recipe: Recipe,
    folder: RunFolder,
    held_out: Sequence[SourceDocument],
    systems: Iterable[System],
    targets: Mapping[str, str],
    say: Callable[[str], None],
) -> None:
    """Write the tables of all systems and of the baselines into `folder`."""
    async with AsyncExitStack() as stack:
        generator = await stack.enter_async_context(
            AsyncGeneratorClient(targets["generator-1"], _HOUR)
        )
        judge = await stack.enter_async_context(AsyncFilterClient(targets["filter"], _HOUR))
        independent = None
        if INDEPENDENT_FILTER in targets:
            independent = await stack.enter_async_context(
                AsyncFilterClient(targets[INDEPENDENT_FILTER], _HOUR)
            )
        examiner = Examiner(generator, judge, recipe, folder, held_out, lambda _: None, independent)
        say("baselines")
        await examiner.baselines()
        for system in systems:
            say(system.name)
            prompts = prompts_of(system, held_out)
            if system.pointer:
                await examiner.model(system.name, system.pointer, prompts)
                continue
            async with AsyncGeneratorClient(system.target, _HOUR) as server:
                there = (await server.describe()).pointer
                await examiner.model(system.name, there, prompts, server)


def prompts_of(system: System, documents: Sequence[SourceDocument]) -> dict[str, str]:
    """The system's prompt for each document, by id."""
    if not system.prompt.chat or system.pointer is None:
        template = system.prompt.template
        return {one.id: template.replace("{document}", one.text) for one in documents}
    tokenizer = load_tokenizer(Path(system.pointer.uri))
    return {one.id: make_prompt(one.text, system.prompt, tokenizer) for one in documents}


def _has_chat_template(pointer: ModelPointer) -> bool:
    return load_tokenizer(Path(pointer.uri)).chat_template is not None
