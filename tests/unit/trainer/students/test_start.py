from __future__ import annotations

import pytest

from services.trainer.students.start import start_of
from stillhouse.generator.types import ModelPointer
from stillhouse.recipe import Student

TEACHER, FIRST, NAMED = (ModelPointer(name, name) for name in ("teacher", "first", "named"))


@pytest.mark.parametrize(
    ("start", "expected"), [("teacher", TEACHER), ("first", FIRST), ("t5-small", NAMED)]
)
def test_a_student_starts_from_what_the_recipe_says(start: str, expected: ModelPointer) -> None:
    settings = Student(start=start)
    named = NAMED if settings.named else None
    assert start_of(settings, teacher=TEACHER, first=FIRST, named=named) == expected
