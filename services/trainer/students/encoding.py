"""Pairs as token ids, with labels on the target alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from services.checkpoints.load import LoadedModel, start_tokens
from services.trainer.students.pairs import Pair

IGNORED = -100  # the label that the loss skips

Row = dict[str, list[int]]
Collate = Callable[[Sequence[Row]], dict[str, torch.Tensor]]


def encode(pair: Pair, loaded: LoadedModel) -> Row:
    """What the model reads, and a label for each place that it predicts.

    Causal: input_ids and labels are prompt, target and end token, the prompt unlabelled.
    With an encoder: it reads the prompt as the tokenizer closes it; decoder_input_ids are
    the start and the target, labels the target and the end token, one place ahead.
    """
    tokenizer = loaded.tokenizer
    prompt = tokenizer(pair.prompt, add_special_tokens=loaded.has_encoder)["input_ids"]
    said = tokenizer(pair.target, add_special_tokens=False)["input_ids"]
    target = [*said, tokenizer.eos_token_id]
    if not loaded.has_encoder:
        return {"input_ids": prompt + target, "labels": [IGNORED] * len(prompt) + target}
    start = start_tokens(loaded)
    return {
        "input_ids": prompt,
        "decoder_input_ids": [*start, *said],
        "labels": [IGNORED] * (len(start) - 1) + target,
    }


def tokens(row: Row) -> int:
    """Tokens that the model reads for a row."""
    return len(row["input_ids"]) + len(row.get("decoder_input_ids", ()))


def collate(pad: int) -> Collate:
    """Rows padded on the right to one width, with the mask of what is read: (rows, width)."""

    def padded(rows: Sequence[Row]) -> dict[str, torch.Tensor]:
        batch = {
            name: _padded([row[name] for row in rows], IGNORED if name == "labels" else pad)
            for name in rows[0]
        }
        batch["attention_mask"] = _padded([[1] * len(row["input_ids"]) for row in rows], 0)
        return batch

    return padded


def _padded(rows: Sequence[Sequence[int]], filling: int) -> torch.Tensor:
    width = max(map(len, rows))
    return torch.tensor([[*row, *[filling] * (width - len(row))] for row in rows])


def token_loss(
    logits: torch.Tensor, labels: torch.Tensor, *, shifted: bool, count: torch.Tensor | None
) -> torch.Tensor:
    """Cross-entropy of the labelled tokens over their number, or over `count`.

    logits: (rows, width, vocabulary); labels: (rows, width). `shifted`: the logits of a place
    are about the next label, as in a causal model. The sum is divided by the number of tokens
    of the whole optimiser step, so that parts and processes change nothing but rounding.
    """
    if shifted:
        logits, labels = logits[:, :-1], labels[:, 1:]
    total = torch.nn.functional.cross_entropy(
        logits.flatten(0, 1).float(), labels.flatten(), ignore_index=IGNORED, reduction="sum"
    )
    return total / ((labels != IGNORED).sum() if count is None else count)
