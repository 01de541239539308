"""Training a student, from wherever its last checkpoint stands to the saved model.

Full fine-tuning, or LoRA (Hu et al. 2021): low-rank matrices beside the frozen linear
layers, merged into the weights before the student is saved.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import os
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import torch
from peft import LoraConfig, get_peft_model
from torch.utils.data import Dataset
from transformers import PreTrainedModel, PrinterCallback, Trainer, TrainingArguments, set_seed
from transformers.pytorch_utils import Conv1D

from services.checkpoints.load import LoadedModel, load
from services.trainer.files import replacing_folder
from services.trainer.students import checkpoints
from services.trainer.students.callbacks import Checkpoints, Report, Reporting, Stopping
from services.trainer.students.encoding import Row, collate, encode, token_loss, tokens
from services.trainer.students.layers import with_layers
from services.trainer.students.order import balanced, order
from services.trainer.students.pairs import Pair, split
from services.trainer.students.progress import Pace
from stillhouse.errors import Cancelled, FailedPrecondition
from stillhouse.generator.types import ModelPointer
from stillhouse.recipe import Student

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
    """A student to train: on what, from which model, how, and where it goes.

    `folder` is written whole or not at all; `checkpoints` is a folder of the training's own.
    """

    start: ModelPointer
    pairs: Sequence[Pair]
    settings: Student
    seed: int
    folder: Path
    checkpoints: Path

    @property
    def training(self) -> str:
        """What names this training: the same start, samples, settings and seed."""
        what = [self.start.digest or self.start.uri, self.seed, self.settings.model_dump()]
        content = json.dumps([*what, [asdict(pair) for pair in self.pairs]], default=str)
        return hashlib.sha256(content.encode()).hexdigest()


class _Laid(Dataset[Row]):
    """Rows in the order of `numbers`."""

    def __init__(self, rows: Sequence[Row], numbers: Sequence[int]) -> None:
        self._rows = rows
        self._numbers = numbers

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, place: int) -> Row:
        return self._rows[self._numbers[place]]


def train(job: Job, report: Report, cancelled: Callable[[], bool]) -> None:
    """Train and save the student, going on from the job's last whole checkpoint.

    FailedPrecondition if no pair fits `student.max_tokens` or the settings don't go
    together; InvalidArgument for `student.layers`; Cancelled if asked to stop.
    """
    settings = job.settings
    set_seed(job.seed % 2**32)  # LoRA's matrices are drawn when they are made
    loaded = load(job.start)
    if settings.layers:
        loaded = with_layers(loaded, settings.layers)
    learned, watched = split(job.pairs, settings.validation, job.seed)
    pairs, rows = _fitting(learned, loaded, settings.max_tokens)
    _, watched_rows = _fitting(watched, loaded, settings.max_tokens)
    if not rows or (watched and not watched_rows):
        raise FailedPrecondition(
            f"none of {len(job.pairs)} accepted samples can train a student: "
            "lower filter thresholds, raise generation.budget or student.max_tokens"
        )
    numbers = _order(pairs, rows, settings, job.seed)
    model = _adapted(loaded, settings.rank) if settings.method == "lora" else loaded.model
    lengths = [tokens(rows[number]) for number in numbers]
    trainer = Trainer(
        model=model,
        args=_arguments(job, len(numbers), watched=bool(watched)),
        train_dataset=_Laid(rows, numbers),
        eval_dataset=_Laid(watched_rows, range(len(watched_rows))) if watched else None,
        data_collator=collate(int(loaded.tokenizer.pad_token_id)),
        compute_loss_func=_loss(loaded),
        callbacks=[
            Reporting(
                report, lambda step: Pace(lengths, settings.batch_size, step, time.monotonic())
            ),
            Checkpoints(job.training, watched=bool(watched)),
            Stopping(cancelled, settings.patience, saves=bool(settings.save_steps)),
        ],
    )
    trainer.remove_callback(PrinterCallback)  # progress has its own way
    going_on = checkpoints.latest(job.checkpoints, job.training)
    trainer.train(resume_from_checkpoint=str(going_on) if going_on else None)
    if cancelled():
        raise Cancelled("training was stopped")
    if trainer.is_world_process_zero():
        _save(loaded, model, job)


def _fitting(pairs: Sequence[Pair], loaded: LoadedModel, most: int) -> tuple[list[Pair], list[Row]]:
    encoded = [(pair, encode(pair, loaded)) for pair in pairs]
    fitting = [(pair, row) for pair, row in encoded if tokens(row) <= most]
    if len(fitting) < len(encoded):
        log.info("samples too long are left out", extra={"count": len(encoded) - len(fitting)})
    return [pair for pair, _ in fitting], [row for _, row in fitting]


def _order(pairs: Sequence[Pair], rows: Sequence[Row], settings: Student, seed: int) -> list[int]:
    groupings = {
        "source": [pair.source for pair in pairs],
        "control": [pair.bucket for pair in pairs],
    }
    chosen = [groupings[name] for name in settings.balance]
    return order(
        len(rows),
        epochs=settings.epochs,
        seed=seed,
        weights=balanced(*chosen) if chosen else None,
        lengths=[tokens(row) for row in rows] if settings.group_by_length else None,
        batch=settings.batch_size,
    )


def _adapted(loaded: LoadedModel, rank: int) -> Any:
    lora = LoraConfig(
        r=rank,
        lora_alpha=2 * rank,
        lora_dropout=0.0,
        target_modules="all-linear",
        fan_in_fan_out=any(isinstance(module, Conv1D) for module in loaded.model.modules()),
        task_type="SEQ_2_SEQ_LM" if loaded.has_encoder else "CAUSAL_LM",
    )
    return get_peft_model(loaded.model, lora)


def _loss(loaded: LoadedModel) -> Callable[..., torch.Tensor]:
    def loss(
        outputs: Any, labels: torch.Tensor, num_items_in_batch: torch.Tensor | None = None
    ) -> torch.Tensor:
        shifted = not loaded.has_encoder
        return token_loss(outputs.logits, labels, shifted=shifted, count=num_items_in_batch)

    return loss


def _arguments(job: Job, samples: int, *, watched: bool) -> TrainingArguments:
    settings = job.settings
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    parts = processes * settings.accumulation
    if settings.batch_size % parts:
        raise FailedPrecondition(
            f"student.batch_size {settings.batch_size} can't be divided among {processes} "
            f"processes x student.accumulation {settings.accumulation}: take a multiple of {parts}"
        )
    steps = math.ceil(samples / settings.batch_size)
    saves = "steps" if settings.save_steps else "no"
    return TrainingArguments(
        output_dir=str(job.checkpoints),
        per_device_train_batch_size=settings.batch_size // parts,
        per_device_eval_batch_size=settings.batch_size // parts,
        gradient_accumulation_steps=settings.accumulation,
        num_train_epochs=1,  # all passes are laid out as one
        train_sampling_strategy="sequential",
        learning_rate=settings.learning_rate,
        weight_decay=settings.weight_decay,
        lr_scheduler_type="linear",
        warmup_steps=math.ceil(settings.warmup * steps),
        logging_steps=1,
        save_strategy=saves,
        save_steps=settings.save_steps or 1,
        save_total_limit=2,
        eval_strategy="steps" if watched else "no",
        eval_steps=settings.save_steps or steps,
        load_best_model_at_end=watched and bool(settings.save_steps),
        metric_for_best_model="loss" if watched else None,
        greater_is_better=False if watched else None,
        label_names=["labels"],
        prediction_loss_only=True,
        remove_unused_columns=False,
        report_to=[],
        disable_tqdm=True,
        seed=job.seed % 2**32,
        dataloader_pin_memory=False,
        use_cpu=processes > 1 and not torch.cuda.is_available(),  # else each trains alone there
    )


def _save(loaded: LoadedModel, model: Any, job: Job) -> None:
    plain = loaded.model if model is loaded.model else _merged(model)
    with replacing_folder(job.folder) as part:
        plain.save_pretrained(part)
        loaded.tokenizer.save_pretrained(part)
        # To the byte: an index that the start's tokenizer cut knows it by its checksum.
        tokenizer = Path(job.start.uri) / "tokenizer.json"
        if tokenizer.is_file():
            shutil.copyfile(tokenizer, part / tokenizer.name)


def _merged(adapted: Any) -> PreTrainedModel:
    """The model with LoRA's matrices added to its weights."""
    model = adapted.get_base_model()
    out = model.get_output_embeddings()
    if out is not None and out.weight is not model.get_input_embeddings().weight:
        model.config.tie_word_embeddings = False  # a T5 may say otherwise; peft would warn of it
    return cast(PreTrainedModel, adapted.merge_and_unload())
