from __future__ import annotations

from pathlib import Path

import pytest
from transformers import AutoModelForCausalLM

from services.checkpoints.digest import digest
from services.checkpoints.load import load
from services.generator.scoring import score
from services.trainer.student import Pair, encode, train
from stillhouse.errors import Cancelled, FailedPrecondition
from stillhouse.generator.types import ModelPointer, ScoreItem
from stillhouse.recipe import Student
from tests.support.tiny_model import make_tiny_model, tiny_tokenizer

PAIRS = [Pair(f"document {n}: a heap", "it is an array") for n in range(8)]


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> ModelPointer:
    return make_tiny_model(tmp_path_factory.mktemp("teacher"))


def run(teacher: ModelPointer, folder: Path, **changes: object) -> list[tuple[int, int, float]]:
    steps: list[tuple[int, int, float]] = []
    settings = Student(learning_rate=1e-2, epochs=20, batch_size=4, rank=8)
    train(
        teacher,
        PAIRS,
        settings.model_copy(update=changes),
        seed=3,
        folder=folder,
        progress=lambda done, total, loss: steps.append((done, total, loss)),
        cancelled=lambda: False,
    )
    return steps


def test_labels_cover_the_summary_and_the_end_only() -> None:
    tokenizer = tiny_tokenizer()
    row = encode(Pair("a heap", " is an array"), tokenizer)
    prompt = len(tokenizer("a heap")["input_ids"])
    assert row["labels"][:prompt] == [-100] * prompt
    assert row["labels"][prompt:] == row["input_ids"][prompt:]
    assert row["labels"][-1] == tokenizer.eos_token_id


def test_the_student_learns_and_loads_as_a_plain_model(
    teacher: ModelPointer, tmp_path: Path
) -> None:
    folder = tmp_path / "student"
    steps = run(teacher, folder)
    assert steps[-1][2] < steps[0][2] / 2
    assert [step for step, _, _ in steps] == list(range(1, 41))
    item = ScoreItem(PAIRS[0].prompt, PAIRS[0].summary)
    before = score(load(teacher), [item])[0].logprob
    assert score(load(ModelPointer(str(folder))), [item])[0].logprob > before + 1
    plain = AutoModelForCausalLM.from_pretrained(folder)
    assert all("lora" not in name for name, _ in plain.named_parameters())
    assert not list(tmp_path.glob(".student*"))


def test_the_same_seed_gives_the_same_student(teacher: ModelPointer, tmp_path: Path) -> None:
    run(teacher, tmp_path / "one", epochs=2)
    run(teacher, tmp_path / "two", epochs=2)
    assert digest(tmp_path / "one") == digest(tmp_path / "two")


def test_the_tokenizer_stays_the_teachers_to_the_byte(tmp_path: Path) -> None:
    """An index knows the tokenizer that cut it by its checksum."""
    teacher = make_tiny_model(tmp_path / "teacher")
    file = tmp_path / "teacher" / "tokenizer.json"
    file.write_text(file.read_text() + "\n")  # as others may write it
    run(ModelPointer(teacher.uri), tmp_path / "student", epochs=1)
    assert (tmp_path / "student" / "tokenizer.json").read_bytes() == file.read_bytes()


def test_nothing_that_fits_is_said_and_leaves_nothing(
    teacher: ModelPointer, tmp_path: Path
) -> None:
    with pytest.raises(FailedPrecondition, match="accepted samples"):
        run(teacher, tmp_path / "student", max_tokens=3)
    assert list(tmp_path.iterdir()) == []


def test_a_stop_leaves_nothing(teacher: ModelPointer, tmp_path: Path) -> None:
    with pytest.raises(Cancelled):
        train(
            teacher, PAIRS, Student(), seed=0, folder=tmp_path / "student",
            progress=lambda *_: None, cancelled=lambda: True,
        )  # fmt: skip
    assert list(tmp_path.iterdir()) == []
