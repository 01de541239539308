"""What an index says of every token of texts, through its service."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from services.experiments.smoothing import Order
from stillhouse.index.client import IndexClient
from stillhouse.index.types import Distribution, Scores

_ENTRIES = 200_000  # next tokens in an answer; a server allows 262,144
_CONTEXTS = 2048  # in a call


def first(found: Scores, size: int) -> Scores:
    """The scores of a text's first `size` tokens."""
    return Scores(
        found.probabilities[:size], found.counts[:size], found.context_counts[:size],
        found.suffix_lengths[:size], found.sparse[:size], found.tokens[:size],
    )  # fmt: skip


def in_long_matches(found: Scores, shortest: int) -> NDArray[np.bool_]:
    """Tokens (n,) of a text that lie inside a stretch of the corpus of `shortest` tokens or more.

    The longest match that ends before token i is the suffix that its estimate used, so the
    scores tell of every stretch, but for one that ends the text and begins inside another.
    """
    size = len(found.tokens)
    ends = found.suffix_lengths[1:].astype(np.int64)
    last = int(found.suffix_lengths[-1]) + 1 if size and found.counts[-1] else 0
    inside = np.zeros(size + 1, np.int64)
    for end, length in enumerate([*ends.tolist(), last][:size], start=1):
        if length >= shortest:
            inside[end - length] += 1
            inside[end] -= 1
    marked: NDArray[np.bool_] = inside[:size].cumsum() > 0
    return marked


def orders(
    client: IndexClient, texts: Sequence[NDArray[np.uint32]], highest: int, index: str = ""
) -> list[Order]:
    """Counts after the contexts of 0 to highest - 1 tokens, for the tokens of all texts in a row.

    What follows a context is asked for once, however often the texts have it.
    """
    return [_order(client, texts, size, index) for size in range(highest)]


def _order(
    client: IndexClient, texts: Sequence[NDArray[np.uint32]], size: int, index: str
) -> Order:
    rows, places = [], []
    at = 0
    for text in texts:
        if len(text) > size:
            rows.append(np.lib.stride_tricks.sliding_window_view(text, size + 1))
            places.append(np.arange(at + size, at + len(text)))
        at += len(text)
    contexts, counts = np.zeros(at), np.zeros(at)
    kinds = np.zeros((at, 3))
    if not rows:
        return Order(contexts, counts, kinds)
    windows, where = np.concatenate(rows), np.concatenate(places)
    tokens = windows[:, -1]
    distinct, owner = np.unique(windows[:, :-1], axis=0, return_inverse=True)
    by_context = np.argsort(owner.ravel(), kind="stable")
    bounds = np.searchsorted(owner.ravel()[by_context], np.arange(len(distinct) + 1))
    for number, found in enumerate(_following(client, distinct, index)):
        mine = by_context[bounds[number] : bounds[number + 1]]
        outcomes = np.append(found.counts, found.end_count)
        outcomes = outcomes[outcomes > 0]
        once, twice = int((outcomes == 1).sum()), int((outcomes == 2).sum())
        contexts[where[mine]] = found.context_count
        counts[where[mine]] = _counts(found, tokens[mine])
        kinds[where[mine]] = once, twice, len(outcomes) - once - twice
    return Order(contexts, counts, kinds)


def _counts(found: Distribution, tokens: NDArray[np.uint32]) -> NDArray[np.float64]:
    """How often each token follows; the distribution's tokens ascend."""
    if not len(found.tokens):
        return np.zeros(len(tokens))
    place = np.minimum(np.searchsorted(found.tokens, tokens), len(found.tokens) - 1)
    return np.where(found.tokens[place] == tokens, found.counts[place], 0).astype(float)


def _following(
    client: IndexClient, contexts: NDArray[np.uint32], index: str
) -> Iterator[Distribution]:
    """What follows each context (m, size), in calls whose answers are small enough."""
    if contexts.shape[1] == 0:
        yield client.ntd([], index)
        return
    counts = np.array(client.count_batch(list(contexts), index), np.int64)
    most = np.minimum(counts + 1, _ENTRIES)
    start = 0
    while start < len(contexts):
        room = np.searchsorted(np.cumsum(most[start:]), _ENTRIES, side="right")
        stop = start + int(np.clip(room, 1, _CONTEXTS))
        yield from client.ntd_batch(list(contexts[start:stop]), index)
        start = stop


def tops(client: IndexClient, texts: Sequence[Scores], index: str = "") -> list[NDArray[np.int64]]:
    """Of each text the token (n,) that follows the suffix of each place most often.

    Of equals it is the one with the smaller id; -1 where the document's end is as frequent, or
    no suffix occurs. What follows a suffix is asked for once, however often the texts have it.
    """
    contexts: dict[tuple[int, ...], int] = {}
    places: list[NDArray[np.int64]] = []
    for one in texts:
        ids, lengths = one.tokens.tolist(), one.suffix_lengths.tolist()
        found = np.full(len(ids), -1, np.int64)
        for place, length in enumerate(lengths):
            if length:
                context = tuple(ids[place - length : place])
                found[place] = contexts.setdefault(context, len(contexts))
        places.append(found)
    best = np.full(len(contexts) + 1, -1, np.int64)  # the last is that of no context
    for number, answer in enumerate(client.ntd_batch(list(contexts), index, top=1)):
        if len(answer.tokens):
            best[number] = answer.tokens[0]
    return [best[one] for one in places]
