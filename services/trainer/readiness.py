"""Whether the generators of a deployment can do what a recipe asks, told before a run starts."""

from __future__ import annotations

from stillhouse.errors import FailedPrecondition, InvalidArgument
from stillhouse.generator.types import ModelDescription, ModelPointer
from stillhouse.recipe import Recipe


def check_workers(recipe: Recipe, teacher: ModelPointer, workers: ModelDescription) -> None:
    """InvalidArgument names the key of the recipe that the generators can't do.

    `workers` is one of those that read the queue.
    """
    refused = workers.constraints_refused
    if refused and recipe.constraints.active:
        raise InvalidArgument(
            "recipe.constraints", f"the generators can't decode under them: {refused}"
        )
    if refused and recipe.generation.beam:
        raise InvalidArgument(
            "recipe.generation.beam",
            f"the generators search no beam: {refused}, or set it to 0 to sample",
        )
    if refused and recipe.control.guided:
        raise InvalidArgument(
            "recipe.control.guidance_scale",
            f"the generators tell no prompts apart: {refused}, or set it to 1",
        )
    if recipe.generation.infgram.active:
        _check_infgram(recipe, workers)
    if workers.load_refused:
        _check_fixed(recipe, teacher, workers)


def with_index(recipe: Recipe, workers: ModelDescription) -> Recipe:
    """The recipe with the digest of the index that the generators mix in, if it asks for one.

    InvalidArgument as `check_workers`.
    """
    infgram = recipe.generation.infgram
    if not infgram.active:
        return recipe
    found = infgram.model_copy(update={"digest": _check_infgram(recipe, workers)})
    generation = recipe.generation.model_copy(update={"infgram": found})
    return recipe.model_copy(update={"generation": generation})


def _check_infgram(recipe: Recipe, workers: ModelDescription) -> str:
    """The digest of the index."""
    field, wanted = "recipe.generation.infgram", recipe.generation.infgram
    if workers.infgram_refused:
        raise InvalidArgument(
            field, f"the generators can't mix an index in: {workers.infgram_refused}"
        )
    digest = workers.indexes.get(wanted.index)
    if digest is None:
        names = ", ".join(sorted(name for name in workers.indexes if name))
        raise InvalidArgument(
            f"{field}.index", f"is {wanted.index!r}; the generators can mix in: {names}"
        )
    if wanted.digest not in ("", digest):
        raise InvalidArgument(
            f"{field}.digest", f"is {wanted.digest[:12]}, the index there has {digest[:12]}"
        )
    return digest


def check_writer(writer: ModelDescription) -> None:
    """FailedPrecondition if the generator that writes for the evaluation can't load students."""
    if writer.load_refused:
        raise FailedPrecondition(
            "the generator at the trainer's STILLHOUSE_GENERATOR_TARGET can't load students for "
            f"their evaluation: {writer.load_refused}"
        )


def _check_fixed(recipe: Recipe, teacher: ModelPointer, workers: ModelDescription) -> None:
    present = workers.pointer
    if present.digest != teacher.digest:
        raise InvalidArgument(
            "recipe.teacher.model",
            f"is {teacher.digest[:12]}, the generators have {present.digest[:12]} "
            f"({present.uri}): {workers.load_refused}. If that is the same model, tell the "
            f"generators so: STILLHOUSE_MODEL_URI={teacher.uri} "
            f"STILLHOUSE_MODEL_DIGEST={teacher.digest}",
        )
    if recipe.generations > 1:
        raise InvalidArgument(
            "recipe.generations",
            "must be 1, since the generators can't load a student as their next teacher: "
            f"{workers.load_refused}",
        )
