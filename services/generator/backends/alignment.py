"""Where tokens end in a text, told from the texts of the tokens alone.

A server gives tokens as strings. Joined they are not always the text: one that holds a
part of a character shows as U+FFFD or as nothing, a start token stands before the text, and
some tokenizers show a word without the space before it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from stillhouse.errors import FailedPrecondition, Unimplemented
from stillhouse.generator.types import Score

_UNKNOWN = "\ufffd"

Drawn = tuple[str, float | None]
"""A token and its log-probability, where that is known."""

_Span = tuple[int, int] | None  # None: a part of a character


def token_ends(tokens: Sequence[str], text: str) -> list[int] | None:
    """The end of each token in `text`, in characters; None if they don't belong together.

    A token that stands before the text ends at 0. Of several tokens that make one character
    each ends where that character ends.
    """
    spans = _joined(tokens, text) or _searched(tokens, text)
    if spans is None:
        return None
    ends: list[int] = []
    last = 0
    for number, span in enumerate(spans):
        if span is None:
            start, end = next((one for one in spans[number:] if one), (len(text), len(text)))
            ends.append(start if start > last else end)
        else:
            last = span[1]
            ends.append(last)
    return ends


def _joined(tokens: Sequence[str], text: str) -> list[_Span] | None:
    """Spans of tokens that make the text, or end with it, when they are joined."""
    joined = "".join(tokens)
    if not joined.endswith(text):
        return None
    spans: list[_Span] = []
    end = len(text) - len(joined)
    for token in tokens:
        start, end = end, end + len(token)
        spans.append((max(start, 0), max(end, 0)) if token else None)
    return spans


def _searched(tokens: Sequence[str], text: str) -> list[_Span] | None:
    """Spans of tokens that stand in the text one after the other, but for lost characters."""
    spans: list[_Span] = []
    position = waiting = 0
    for token in tokens:
        shown = token.strip(_UNKNOWN)
        if not shown:
            spans.append(None)
            waiting += 1
            continue
        found = text.find(shown, position, position + len(shown) + waiting + 1)
        if found >= 0:
            position, waiting = found + len(shown), 0
            spans.append((found, position))
        elif position or waiting:
            return None
        else:
            spans.append((0, 0))
    return spans


def score_of(drawn: Sequence[Drawn], prefix: str, text: str, *, per_token: bool, by: str) -> Score:
    """The score of what follows `prefix` in `text`, whose tokens are `drawn`.

    A token that is partly of the prefix counts. `by` names the server in the errors:
    FailedPrecondition if the tokens are not the text's, Unimplemented if one that counts
    has no log-probability, as the first token of a text.
    """
    ends = token_ends([token for token, _ in drawn], text)
    if ends is None:
        raise FailedPrecondition(f"{by} gives tokens that do not make the text that was sent")
    start = len(prefix)
    counted = [
        (value, end - start) for (_, value), end in zip(drawn, ends, strict=True) if end > start
    ]
    values = [value for value, _ in counted if value is not None]
    if len(values) != len(counted) or not values:
        raise Unimplemented(
            f"{by} does not score the first token of a text; name the model's start token in "
            "STILLHOUSE_BACKEND_START"
        )
    if not per_token:
        return Score(math.fsum(values), len(values))
    return Score(math.fsum(values), len(values), tuple(values), tuple(end for _, end in counted))
