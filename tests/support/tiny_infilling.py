"""A tiny T5 that was trained, in seconds, to fill spans in where a context tells them.

A text names a few things out of many; what is masked in it can only be guessed, unless the
context before it names the same things. Real in every part but its size.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast, T5Config, T5ForConditionalGeneration

from services.checkpoints.digest import digest
from services.filter.masking import masks
from stillhouse.generator.types import ModelPointer

ANIMALS = ("cat", "dog", "owl", "fox", "hen", "cow", "ant", "bee")
COLOURS = ("red", "blue", "green", "black", "white", "pink", "gold", "grey")
_SENTINELS = tuple(f"<extra_id_{number}>" for number in range(16))
_STEPS, _BATCH, _RATE = 500, 48, 3e-3


def make_tiny_infilling(folder: Path) -> ModelPointer:
    """Write the model at `folder`."""
    torch.manual_seed(0)
    tokenizer = _tokenizer()
    start: dict[str, Any] = {"decoder_start_token_id": 0}
    model = T5ForConditionalGeneration(
        T5Config(
            vocab_size=len(tokenizer),
            d_model=64,
            d_kv=16,
            d_ff=128,
            num_layers=2,
            num_heads=4,
            dropout_rate=0.0,
            pad_token_id=0,
            eos_token_id=1,
            **start,
        )
    )
    _train(model, tokenizer)
    model.eval().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return ModelPointer(str(folder), digest(folder))


def make_document(rng: random.Random) -> str:
    """Such as `the red cat and the blue dog`."""
    animals, colours = rng.sample(ANIMALS, 2), rng.sample(COLOURS, 2)
    return " and ".join(f"the {c} {a}" for c, a in zip(colours, animals, strict=True))


def _tokenizer() -> PreTrainedTokenizerFast:
    special = ("<pad>", "</s>", "<unk>", *_SENTINELS)
    words = (*special, "the", "and", *ANIMALS, *COLOURS)
    tokenizer = Tokenizer(
        models.WordLevel({word: place for place, word in enumerate(words)}, unk_token="<unk>")
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.add_special_tokens(list(special))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", 1)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    )


def _train(model: T5ForConditionalGeneration, tokenizer: PreTrainedTokenizerFast) -> None:
    rng = random.Random(0)
    optimiser = torch.optim.AdamW(model.parameters(), lr=_RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, _RATE, _STEPS)
    for _ in range(_STEPS):
        rows = [_row(rng) for _ in range(_BATCH)]
        given = tokenizer([prefix for prefix, _ in rows], padding=True, return_tensors="pt")
        wanted = tokenizer([target for _, target in rows], padding=True, return_tensors="pt")
        labels = wanted["input_ids"].masked_fill(wanted["attention_mask"] == 0, -100)
        model(
            input_ids=given["input_ids"], attention_mask=given["attention_mask"], labels=labels
        ).loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        optimiser.zero_grad()


def _row(rng: random.Random) -> tuple[str, str]:
    """A masked text, behind a context in most cases, and what was masked."""
    document = make_document(rng)
    text = document if rng.random() < 0.7 else " ".join(document.split()[:3])
    mask = rng.choice(masks(text))
    context = document if text != document else rng.choice((document, document.split(" and ")[0]))
    if rng.random() < 0.3:
        return mask.masked, mask.target
    return f"{context}\n{mask.masked}", mask.target
