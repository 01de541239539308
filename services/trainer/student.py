"""Training a student: LoRA on the teacher, loss on the summary only.

LoRA (Hu et al. 2021) trains low-rank matrices beside the frozen linear layers; they
are merged into the weights before the student is saved.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from peft import LoraConfig, get_peft_model
from torch.utils.data import Dataset
from transformers import PreTrainedModel, Trainer, TrainerCallback, TrainingArguments, set_seed
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from services.checkpoints.load import load
from services.trainer.files import replacing_folder
from stillhouse.errors import Cancelled, FailedPrecondition
from stillhouse.generator.types import ModelPointer
from stillhouse.recipe import Student

_IGNORED = -100  # the label that transformers' losses skip

Progress = Callable[[int, int, float], None]


@dataclass(frozen=True, slots=True)
class Pair:
    """A prompt and the summary that the student shall answer."""

    prompt: str
    summary: str


class _Pairs(Dataset[dict[str, list[int]]]):
    """Token ids and labels of each pair that fits."""

    def __init__(
        self, pairs: Sequence[Pair], tokenizer: PreTrainedTokenizerBase, max_tokens: int
    ) -> None:
        encoded = [encode(pair, tokenizer) for pair in pairs]
        self._rows = [row for row in encoded if len(row["input_ids"]) <= max_tokens]

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> dict[str, list[int]]:
        return self._rows[index]


def encode(pair: Pair, tokenizer: PreTrainedTokenizerBase) -> dict[str, list[int]]:
    """Ids of prompt, summary and end token; labels only for the latter two."""
    prompt = tokenizer(pair.prompt, add_special_tokens=False)["input_ids"]
    summary = tokenizer(pair.summary, add_special_tokens=False)["input_ids"]
    target = [*summary, tokenizer.eos_token_id]
    return {"input_ids": prompt + target, "labels": [_IGNORED] * len(prompt) + target}


def _collate(pad: int) -> Callable[[list[dict[str, list[int]]]], dict[str, torch.Tensor]]:
    def collate(rows: list[dict[str, list[int]]]) -> dict[str, torch.Tensor]:
        width = max(len(row["input_ids"]) for row in rows)
        missing = [width - len(row["input_ids"]) for row in rows]
        ids = [row["input_ids"] + [pad] * m for row, m in zip(rows, missing, strict=True)]
        labels = [row["labels"] + [_IGNORED] * m for row, m in zip(rows, missing, strict=True)]
        mask = [[1] * (width - m) + [0] * m for m in missing]
        return {
            "input_ids": torch.tensor(ids),
            "labels": torch.tensor(labels),
            "attention_mask": torch.tensor(mask),
        }

    return collate


class _Report(TrainerCallback):
    """Passes progress on and stops when asked."""

    def __init__(self, progress: Progress, cancelled: Callable[[], bool]) -> None:
        self._progress = progress
        self._cancelled = cancelled

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        """Report each optimiser step that has a loss."""
        if logs and "loss" in logs:
            self._progress(state.global_step, state.max_steps, float(logs["loss"]))

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Stop at a step's end."""
        if self._cancelled():
            control.should_training_stop = True


def train(
    teacher: ModelPointer,
    pairs: Sequence[Pair],
    settings: Student,
    *,
    seed: int,
    folder: Path,
    progress: Progress,
    cancelled: Callable[[], bool],
) -> None:
    """Train on `pairs` and save the student at `folder`, whole or not at all.

    FailedPrecondition if no pair fits `settings.max_tokens`; Cancelled if asked to stop.
    """
    set_seed(seed % 2**32)  # LoRA's matrices are drawn when they are made
    loaded = load(teacher)
    rows = _Pairs(pairs, loaded.tokenizer, settings.max_tokens)
    if len(rows) == 0:
        raise FailedPrecondition(
            f"none of {len(pairs)} accepted samples can train a student: "
            "lower filter thresholds, raise generation.budget or student.max_tokens"
        )
    lora = LoraConfig(
        r=settings.rank,
        lora_alpha=2 * settings.rank,
        lora_dropout=0.0,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )
    adapted = get_peft_model(loaded.model, lora)
    with replacing_folder(folder) as part:
        arguments = TrainingArguments(
            output_dir=str(part / "trainer"),
            per_device_train_batch_size=settings.batch_size,
            num_train_epochs=settings.epochs,
            learning_rate=settings.learning_rate,
            lr_scheduler_type="linear",
            warmup_steps=max(1, len(rows) // settings.batch_size // 10),
            logging_steps=1,
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
            seed=seed % 2**32,
            dataloader_pin_memory=False,
        )
        trainer = Trainer(
            model=adapted,
            args=arguments,
            train_dataset=rows,
            data_collator=_collate(int(loaded.tokenizer.pad_token_id)),
            callbacks=[_Report(progress, cancelled)],
        )
        trainer.train()
        if cancelled():
            raise Cancelled("training was stopped")
        merged = cast(PreTrainedModel, adapted.merge_and_unload())
        merged.save_pretrained(part)
        loaded.tokenizer.save_pretrained(part)
        # To the byte: an index that the teacher's tokenizer cut knows it by its checksum.
        tokenizer = Path(teacher.uri) / "tokenizer.json"
        if tokenizer.is_file():
            shutil.copyfile(tokenizer, part / tokenizer.name)
        shutil.rmtree(part / "trainer", ignore_errors=True)
