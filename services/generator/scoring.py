"""Log-likelihoods of continuations given prefixes.

Items that share a prefix share its forward pass, as the k candidates of one
document do. Prefix and continuation are tokenised apart, so that a prefix has the
same tokens whatever follows it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from transformers import DynamicCache
from transformers.modeling_outputs import BaseModelOutput

from services.checkpoints.load import LoadedModel, start_tokens
from services.generator.encoded import read
from stillhouse.errors import Cancelled, InvalidArgument
from stillhouse.generator.types import Score, ScoreItem

_TOKENS_PER_PASS = 2048  # bounds the logits: 2048 x 49,152 x 4 bytes = 400 MB


@dataclass(frozen=True)
class _Encoded:
    """Token ids, and the end of each token in characters."""

    ids: list[int]
    ends: list[int]


@torch.inference_mode()
def score(
    loaded: LoadedModel,
    items: Sequence[ScoreItem],
    *,
    per_token: bool = False,
    cancelled: Callable[[], bool] = lambda: False,
) -> list[Score]:
    """One score per item, in order; an empty continuation scores exactly 0.

    An empty prefix is read as the start of a text. InvalidArgument if an item does
    not fit the model's context.
    """
    prefixes = list(dict.fromkeys(item.prefix for item in items))
    start = _start_token(loaded)
    encoded_prefixes = {
        text: encoded.ids or [start]
        for text, encoded in zip(
            prefixes, _encode(loaded, prefixes, special=loaded.has_encoder), strict=True
        )
    }
    continuations = _encode(loaded, [item.continuation for item in items])
    scores: list[Score | None] = [None] * len(items)
    for number, (item, encoded) in enumerate(zip(items, continuations, strict=True)):
        _check_fits(loaded, number, len(encoded_prefixes[item.prefix]), len(encoded.ids))
        if not encoded.ids:
            scores[number] = Score(0.0, 0)
    by_prefix: dict[str, list[int]] = {}
    for number, item in enumerate(items):
        if scores[number] is None:
            by_prefix.setdefault(item.prefix, []).append(number)
    for group in _passes(by_prefix, encoded_prefixes, continuations):
        if cancelled():
            raise Cancelled("the caller gave up")
        rows = [encoded_prefixes[items[number].prefix] for number in group]
        logprobs = _run(loaded, rows, [continuations[number].ids for number in group])
        for number, values in zip(group, logprobs, strict=True):
            scores[number] = _score(values, continuations[number], per_token)
    return [score for score in scores if score is not None]


def _score(values: torch.Tensor, encoded: _Encoded, per_token: bool) -> Score:
    total = float(values.double().sum())
    if not per_token:
        return Score(total, len(encoded.ids))
    return Score(total, len(encoded.ids), tuple(values.tolist()), tuple(encoded.ends))


def _passes(
    by_prefix: dict[str, list[int]],
    prefixes: dict[str, list[int]],
    continuations: Sequence[_Encoded],
) -> Iterator[list[int]]:
    """Items in passes of similar length, items of one prefix next to each other."""
    order = sorted(by_prefix, key=lambda text: (len(prefixes[text]), text))
    group: list[int] = []
    group_prefixes: set[str] = set()
    longest_prefix = longest = 0
    for text in order:
        for number in sorted(by_prefix[text], key=lambda n: len(continuations[n].ids)):
            new_prefix = max(longest_prefix, len(prefixes[text]))
            new_longest = max(longest, len(continuations[number].ids))
            cost = len(group_prefixes | {text}) * new_prefix + (len(group) + 1) * new_longest
            if group and cost > _TOKENS_PER_PASS:
                yield group
                group, group_prefixes = [], set()
                new_prefix, new_longest = len(prefixes[text]), len(continuations[number].ids)
            group.append(number)
            group_prefixes.add(text)
            longest_prefix, longest = new_prefix, new_longest
    if group:
        yield group


def _run(
    loaded: LoadedModel, prefixes: list[list[int]], continuations: list[list[int]]
) -> list[torch.Tensor]:
    """Per row the log-probabilities of its continuation's tokens."""
    distinct = [list(ids) for ids in dict.fromkeys(tuple(ids) for ids in prefixes)]
    index = {tuple(ids): row for row, ids in enumerate(distinct)}
    owner = torch.tensor([index[tuple(ids)] for ids in prefixes])
    ids, mask = _padded(loaded, distinct, left=not loaded.has_encoder)
    targets, target_mask = _padded(loaded, continuations, left=False)
    if loaded.has_encoder:
        logits = _behind_encoder(loaded, {"input_ids": ids, "attention_mask": mask}, owner, targets)
        return _chosen(logits, targets, continuations)
    cache = DynamicCache(config=loaded.model.config)
    positions = (mask.cumsum(-1) - 1).clamp(min=0)
    first = loaded.model(
        input_ids=ids,
        attention_mask=mask,
        position_ids=positions,
        past_key_values=cache,
        logits_to_keep=1,
    ).logits[:, -1]
    logits = first[owner][:, None]
    if targets.shape[-1] > 1:
        cache.batch_select_indices(owner)
        starts = mask.sum(-1)[owner]
        rest = loaded.model(
            input_ids=targets[:, :-1],
            attention_mask=torch.cat([mask[owner], target_mask[:, :-1]], dim=-1),
            position_ids=starts[:, None] + torch.arange(targets.shape[-1] - 1),
            past_key_values=cache,
        ).logits
        logits = torch.cat([logits, rest], dim=1)
    return _chosen(logits, targets, continuations)


def _behind_encoder(
    loaded: LoadedModel, prefixes: dict[str, torch.Tensor], owner: torch.Tensor, ids: torch.Tensor
) -> torch.Tensor:
    """Logits (rows, length, vocabulary) of the places of `ids`, row i after prefix owner[i]."""
    start = torch.tensor(start_tokens(loaded)).expand(len(ids), -1)
    logits: torch.Tensor = loaded.model(
        encoder_outputs=BaseModelOutput(last_hidden_state=read(loaded, prefixes)[owner]),
        attention_mask=prefixes["attention_mask"][owner],
        decoder_input_ids=torch.cat([start, ids[:, :-1]], dim=-1),
    ).logits
    return logits[:, start.shape[-1] - 1 :]


def _chosen(
    logits: torch.Tensor, targets: torch.Tensor, continuations: list[list[int]]
) -> list[torch.Tensor]:
    chosen = logits.gather(-1, targets[..., None])[..., 0] - logits.logsumexp(-1)
    return [row[: len(ids)] for row, ids in zip(chosen, continuations, strict=True)]


def _padded(
    loaded: LoadedModel, rows: list[list[int]], *, left: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    width = max(len(row) for row in rows)
    ids = torch.full((len(rows), width), loaded.tokenizer.pad_token_id)
    mask = torch.zeros(len(rows), width, dtype=torch.long)
    for number, row in enumerate(rows):
        place = slice(width - len(row), width) if left else slice(0, len(row))
        ids[number, place] = torch.tensor(row)
        mask[number, place] = 1
    return ids, mask


def _encode(loaded: LoadedModel, texts: Sequence[str], *, special: bool = False) -> list[_Encoded]:
    if not texts:
        return []
    encoded = loaded.tokenizer(list(texts), add_special_tokens=special, return_offsets_mapping=True)
    return [
        _Encoded(ids, [end for _, end in offsets])
        for ids, offsets in zip(encoded["input_ids"], encoded["offset_mapping"], strict=True)
    ]


def _start_token(loaded: LoadedModel) -> int:
    tokenizer = loaded.tokenizer
    for token in (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id):
        if token is not None:
            return int(token)
    return 0


def _check_fits(loaded: LoadedModel, number: int, prefix: int, continuation: int) -> None:
    length = max(prefix, continuation) if loaded.has_encoder else prefix + continuation
    limit = getattr(loaded.model.config, "max_position_embeddings", None)
    if limit is not None and length > limit:
        raise InvalidArgument(
            f"items[{number}]",
            f"prefix and continuation have {length} tokens; the model's context is {limit}",
        )
