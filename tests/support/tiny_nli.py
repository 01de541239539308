"""A tiny cross-encoder that was trained, in seconds, on a rule that can be checked.

Words are colours. A premise entails a hypothesis whose colours it all has; it contradicts
one that begins with `not`; all else is neutral. Real in every part but its size: a BERT
with a word-level tokenizer, saved as `save_pretrained` does, or exported to ONNX.
"""

from __future__ import annotations

import random
import warnings
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

COLOURS = ("red", "blue", "green", "black", "white", "pink", "gold", "grey")
LABELS = {0: "contradiction", 1: "entailment", 2: "neutral"}
LENGTH = 32
_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
_STEPS, _BATCH = 500, 64


def make_tiny_nli(folder: Path, steps: int = _STEPS, length: int = LENGTH) -> Path:
    """Write the model at `folder`; without steps it is as it was drawn.
    It reads `length` tokens."""
    torch.manual_seed(0)
    tokenizer = _tokenizer(length)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=48,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=length,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        initializer_range=0.2,
        id2label=LABELS,
        label2id={name: index for index, name in LABELS.items()},
    )
    model = BertForSequenceClassification(config)
    torch.nn.init.zeros_(model.bert.embeddings.position_embeddings.weight)  # order is no matter
    _train(model, tokenizer, steps)
    model.eval().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def export_onnx(folder: Path) -> Path:
    """Write model.onnx beside a checkpoint, as `optimum-cli export onnx` would."""
    model = BertForSequenceClassification.from_pretrained(folder, attn_implementation="eager")
    names = ["input_ids", "attention_mask", "token_type_ids"]
    ids = torch.ones(2, 7, dtype=torch.long)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter is announced to be replaced
        torch.onnx.export(
            _Logits(model.eval()),
            (ids, torch.ones_like(ids), torch.zeros_like(ids)),
            folder / "model.onnx",
            input_names=names,
            output_names=["logits"],
            dynamic_axes={name: {0: "rows", 1: "length"} for name in names},
            dynamo=False,
        )
    return folder


def label(premise: str, hypothesis: str) -> int:
    """The rule that the model learns."""
    said = hypothesis.split()
    if said[0] == "not":
        return 0
    return 1 if set(said) <= set(premise.split()) else 2


class _Logits(torch.nn.Module):
    def __init__(self, model: BertForSequenceClassification) -> None:
        super().__init__()
        self._model = model

    def forward(self, ids: torch.Tensor, mask: torch.Tensor, types: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self._model(
            input_ids=ids, attention_mask=mask, token_type_ids=types
        ).logits
        return logits


def _tokenizer(length: int) -> PreTrainedTokenizerFast:
    vocabulary = {word: place for place, word in enumerate((*_SPECIAL, "not", *COLOURS))}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        model_max_length=length,
    )


def _train(
    model: BertForSequenceClassification, tokenizer: PreTrainedTokenizerFast, steps: int
) -> None:
    rng = random.Random(0)
    optimiser = torch.optim.AdamW(model.parameters(), lr=2e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 2e-3, max(1, steps))
    for _ in range(steps):
        pairs = [_pair(rng) for _ in range(_BATCH)]
        given = tokenizer(*map(list, zip(*pairs, strict=True)), padding=True, return_tensors="pt")
        labels = torch.tensor([label(*pair) for pair in pairs])
        model(**given, labels=labels).loss.backward()
        optimiser.step()
        schedule.step()
        optimiser.zero_grad()


def _pair(rng: random.Random) -> tuple[str, str]:
    premise = rng.sample(COLOURS, rng.randint(2, 5))
    true = rng.random() < 0.5
    said = rng.sample(premise if true else COLOURS, rng.randint(1, 2))
    if rng.random() < 0.2:
        said.insert(0, "not")
    return " ".join(premise), " ".join(said)
