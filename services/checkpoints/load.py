"""Loading a causal language model and its tokenizer for inference or training."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from services.checkpoints.vocabulary import Vocabulary, read_vocabulary
from stillhouse.errors import NotFound
from stillhouse.generator.types import ModelPointer


@dataclass(frozen=True)
class LoadedModel:
    """A model in memory, its tokenizer, and the pointer it was loaded from."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    pointer: ModelPointer

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """What each token adds to a text; FailedPrecondition if that can't be told."""
        return read_vocabulary(self.tokenizer, end_tokens(self.model, self.tokenizer))


def load(pointer: ModelPointer) -> LoadedModel:
    """The model at `pointer.uri`, float32, in evaluation mode.

    float32 because bfloat16 is emulated, many times slower, on CPUs without it.
    """
    folder = Path(pointer.uri)
    if not (folder / "config.json").is_file():
        raise NotFound(f"no model at {folder}: a folder with config.json is needed")
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    model.eval()
    return LoadedModel(model, load_tokenizer(folder), pointer)


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """The tokenizer beside a model; it pads on the left, with any token if it has none."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.padding_side = "left"
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def end_tokens(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    """Ids after which a text is over."""
    ids: set[int] = set()
    for value in (model.generation_config.eos_token_id, tokenizer.eos_token_id):
        ids.update([value] if isinstance(value, int) else value or [])
    return frozenset(ids)
