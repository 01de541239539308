"""The model that a generation's student is made of."""

from __future__ import annotations

from stillhouse.generator.types import ModelPointer
from stillhouse.recipe import FIRST, TEACHER, Student


def start_of(
    settings: Student, *, teacher: ModelPointer, first: ModelPointer, named: ModelPointer | None
) -> ModelPointer:
    """`teacher` is the generation's, `first` the run's, `named` the one that `start` names."""
    if settings.start == TEACHER:
        return teacher
    if settings.start == FIRST:
        return first
    if named is None:
        raise ValueError(f"student.start {settings.start} was not looked up")
    return named
