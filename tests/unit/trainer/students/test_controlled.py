"""A tiny student that is taught codes and then asked by them, on documents that are new to it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from services.checkpoints.load import LoadedModel, load
from services.trainer.asking import Asking, pairs_of
from services.trainer.obtained import obtain, summarise
from services.trainer.students.training import Job, train
from stillhouse.corpus import SourceDocument
from stillhouse.generator.types import ModelPointer, Prompt
from stillhouse.recipe import Control, PromptTemplate, Recipe, Student
from tests.support.tiny_model import make_tiny_model

WORDS = ("heap", "key", "list", "item", "sort", "file", "type", "name")
RECIPE = Recipe(
    prompt=PromptTemplate(template="{document}\n\nTL;DR:", chat=False),
    control=Control(length=(3, 6)),
    student=Student(
        method="full",
        learning_rate=5e-3,
        epochs=14,
        batch_size=16,
        save_steps=0,
        balance=("control",),
    ),
)


def document(rng: random.Random) -> list[str]:
    return rng.choices(WORDS, k=8)


def sample(number: int, rng: random.Random) -> dict[str, str]:
    words = document(rng)
    return {
        "document": " ".join(words),
        "summary": "".join(f" {word}" for word in words[: rng.choice((1, 2, 3, 4, 5, 6, 7, 8))]),
        "source_id": str(number),
    }


def writer(loaded: LoadedModel) -> Any:
    async def write(prompts: Sequence[Prompt]) -> list[str]:
        loaded.tokenizer.padding_side = "left"
        encoded = loaded.tokenizer([one.text for one in prompts], padding=True, return_tensors="pt")
        model: Any = loaded.model
        ids = {name: encoded[name] for name in ("input_ids", "attention_mask")}
        with torch.inference_mode():
            answers = model.generate(
                **ids, do_sample=False, max_new_tokens=40,
                pad_token_id=loaded.tokenizer.pad_token_id,
            )  # fmt: skip
        width = encoded["input_ids"].shape[-1]
        return list(loaded.tokenizer.batch_decode(answers[:, width:], skip_special_tokens=True))

    return write


async def test_a_student_gives_the_length_that_it_is_asked_for(tmp_path: Path) -> None:
    rng = random.Random(1)
    start = make_tiny_model(tmp_path / "start")
    asking = Asking.student(RECIPE, load(start).tokenizer)
    pairs = pairs_of([sample(n, rng) for n in range(600)], asking, seed=1)
    folder = tmp_path / "student"
    train(
        Job(start, pairs, RECIPE.student, 1, folder, tmp_path / "training"),
        lambda _: None,
        lambda: False,
    )
    held_out = [SourceDocument(f"new {n}", " ".join(document(rng))) for n in range(24)]
    write = writer(load(ModelPointer(str(folder))))
    found = await obtain("student", write, asking, held_out)
    (row,) = summarise(found, resamples=200, seed=1)

    assert row.spearman.mean > 0.7
    assert row.hits.low > row.chance
