"""Rows of text in progress behind an encoder: the prompt is read by it, once.

Encoder-decoder models (T5, BART and their kin) write from a start of their own; the prompt's
tokens are seen by cross-attention alone, and end with the tokens the tokenizer puts there.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from transformers import DynamicCache
from transformers.cache_utils import EncoderDecoderCache
from transformers.modeling_outputs import BaseModelOutput

from services.checkpoints.load import LoadedModel, start_tokens


class EncodedRows:
    """`repeats` rows for each prompt; logits: (rows, vocabulary), of the next token of each."""

    logits: torch.Tensor

    def __init__(
        self, loaded: LoadedModel, encoded: dict[str, torch.Tensor], repeats: int = 1
    ) -> None:
        """Read prompts: input_ids and attention_mask (n, length)."""
        self._loaded = loaded
        self._hidden = read(loaded, encoded).repeat_interleave(repeats, dim=0)
        self._mask = encoded["attention_mask"].repeat_interleave(repeats, dim=0)
        self._cache = EncoderDecoderCache(DynamicCache(), DynamicCache())
        start = torch.tensor(start_tokens(loaded))
        self.feed(start.expand(len(self._mask), -1))

    @property
    def logprobs(self) -> torch.Tensor:
        """Of the next token of each row: (rows, vocabulary)."""
        return self.logits.log_softmax(-1)

    def feed(self, tokens: torch.Tensor) -> None:
        """Put tokens (rows, new) behind each row."""
        self.logits = self._loaded.model(
            encoder_outputs=BaseModelOutput(last_hidden_state=self._hidden),
            attention_mask=self._mask,
            decoder_input_ids=tokens,
            past_key_values=self._cache,
            use_cache=True,
        ).logits[:, -1]

    def keep(self, going: torch.Tensor) -> None:
        """Keep only these rows: a mask (rows,), or their numbers, a row maybe several times."""
        rows = going.nonzero()[:, 0] if going.dtype == torch.bool else going
        self._hidden = self._hidden[rows]
        self._mask = self._mask[rows]
        self.logits = self.logits[rows]
        self._cache.batch_select_indices(rows)

    def extend(self, rows: Sequence[int], tokens: Sequence[int]) -> EncodedRows:
        """New rows: for each i row `rows[i]` with `tokens[i]` behind it."""
        forked = copy.copy(self)
        forked._cache = copy.deepcopy(self._cache)
        forked.keep(torch.tensor(rows))
        forked.feed(torch.tensor(tokens)[:, None])
        return forked


def read(loaded: LoadedModel, encoded: dict[str, torch.Tensor]) -> torch.Tensor:
    """What the encoder makes of prompts: (n, length, hidden size)."""
    hidden: torch.Tensor = loaded.model.get_encoder()(**encoded).last_hidden_state
    return hidden
