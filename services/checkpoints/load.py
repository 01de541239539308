"""Loading a language model, causal or seq2seq, and its tokenizer for inference or training."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
    PreTrainedModel,
)
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
    parameters: int

    @property
    def has_encoder(self) -> bool:
        """Whether prompts are read by an encoder (seq2seq), not continued by the one decoder."""
        return bool(self.model.config.is_encoder_decoder)

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
    model = model_class(folder).from_pretrained(folder, dtype=torch.float32)
    model.eval()
    loaded = LoadedModel(model, load_tokenizer(folder), pointer, model.num_parameters())
    if loaded.has_encoder:  # what it reads begins at the first position
        loaded.tokenizer.padding_side = "right"
    return loaded


def model_class(source: Path | str, **where: Any) -> Any:
    """The class that reads the checkpoint at `source`: with an encoder, or causal."""
    config = AutoConfig.from_pretrained(source, **where)
    return AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM


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


def start_tokens(loaded: LoadedModel) -> list[int]:
    """What every text of the decoder begins with: its start, and the token forced behind it."""
    settings = loaded.model.generation_config
    start = settings.decoder_start_token_id
    if start is None:
        start = loaded.model.config.decoder_start_token_id
    forced = settings.forced_bos_token_id
    return [int(start or 0)] if forced is None else [int(start or 0), int(forced)]
