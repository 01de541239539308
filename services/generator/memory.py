"""How much memory rows of text take while they are decoded, and how many fit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from transformers import PreTrainedConfig

from stillhouse.errors import InvalidArgument

DEFAULT_BUDGET = 2 * 2**30

_FLOAT = 4  # bytes of a float32
_LOGIT_COPIES = 4  # logits, scaled logits, a selection of them, and what the model returns


@dataclass(frozen=True, slots=True)
class Footprint:
    """Bytes that one row takes: for each token of its cache, and for its logits."""

    token: int
    logits: int

    def row(self, tokens: int) -> int:
        """Bytes of a row of that many tokens, prompt and continuation."""
        return tokens * self.token + self.logits


def footprint(config: PreTrainedConfig) -> Footprint:
    """Of a decoder in float32: keys and values of every layer, and logits."""
    text = config.get_text_config()
    heads = text.num_attention_heads
    kept = getattr(text, "num_key_value_heads", None) or heads
    size = getattr(text, "head_dim", None) or text.hidden_size // heads
    token = 2 * text.num_hidden_layers * kept * size * _FLOAT
    return Footprint(token, _LOGIT_COPIES * text.vocab_size * _FLOAT)


@dataclass(frozen=True, slots=True)
class Pass:
    """Prompts [first, last) that are decoded together, samples [start, stop) of each."""

    first: int
    last: int
    start: int
    stop: int


def passes(
    lengths: Sequence[int],
    samples: int,
    new_tokens: int,
    each: Footprint,
    budget: int,
    readings: Sequence[int] | None = None,
) -> Iterator[Pass]:
    """Cut a batch of prompts of these lengths into passes of at most `budget` bytes.

    A sample of prompt i takes `readings[i]` rows, one where that is None. Prompts stay in order
    and, where they fit, together with all their samples.
    InvalidArgument for a prompt of which not even one sample fits.
    """
    rows = [1] * len(lengths) if readings is None else readings
    first = 0
    while first < len(lengths):
        longest, taken, last = 0, 0, first
        while last < len(lengths):
            grown, more = max(longest, lengths[last]), taken + rows[last]
            if more * samples * each.row(grown + new_tokens) > budget:
                break
            longest, taken, last = grown, more, last + 1
        if last > first:
            yield Pass(first, last, 0, samples)
            first = last
            continue
        fitting = budget // (rows[first] * each.row(lengths[first] + new_tokens))
        if not fitting:
            raise InvalidArgument(
                f"prompts[{first}]",
                f"one sample of {lengths[first]} + {new_tokens} tokens takes more than the "
                f"{budget // 2**20} MiB of STILLHOUSE_MEMORY_MIB; shorten it or allow more",
            )
        for start in range(0, samples, fitting):
            yield Pass(first, first + 1, start, min(start + fitting, samples))
        first += 1
