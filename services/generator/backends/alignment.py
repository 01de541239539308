"""Which tokens of a text are those of its end, told from the texts of the tokens alone.

A server gives tokens as strings. Joined they are not always the text: one that holds a
part of a character shows as U+FFFD or as nothing, so do markup tokens, a start token may
stand before the text, and some tokenizers show a word without the space before it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from services.generator.backends.drawn import Drawn
from stillhouse.errors import FailedPrecondition, Unimplemented
from stillhouse.generator.types import Score

_UNKNOWN = "\ufffd"

_Span = tuple[int, int] | None  # None: shows nothing of itself


def token_ends(tokens: Sequence[str], prefix: str, continuation: str) -> list[int] | None:
    """Where the tokens of a continuation end in it, in characters; None if it isn't theirs.

    The last of `tokens` are meant, as many as there are ends. One that is partly of the
    prefix is among them. Of several that make one character each ends where it ends.
    """
    text, start = prefix + continuation, len(prefix)
    spans = _backwards(tokens, text, start)
    if spans is None:
        return None
    ends: list[int] = []
    last = start
    for number, span in enumerate(spans):
        begin, end = next((one for one in spans[number:] if one), (len(text), len(text)))
        if span is None and begin > last:
            end = begin
        elif span is not None:
            last = end
        if end > start:
            ends.append(end - start)
    return ends


def _backwards(tokens: Sequence[str], text: str, start: int) -> list[_Span] | None:
    """Spans of the last tokens, until the text from `start` on is covered."""
    spans: list[_Span] = []
    position, unseen = len(text), 0
    for token in reversed(tokens):
        if position <= start:
            break
        shown = token.strip(_UNKNOWN)
        if not shown:
            spans.append(None)
            unseen += 1
            continue
        found = text.rfind(shown, max(0, position - len(shown) - unseen - 1), position)
        gap = text[found + len(shown) : position]
        if found < 0 or not (unseen or gap == "" or (gap == " " and spans)):
            return None
        spans.append((found, found + len(shown)))
        position, unseen = found, 0
    return spans[::-1] if position <= start or unseen else None


def score_of(
    drawn: Sequence[Drawn], prefix: str, continuation: str, *, per_token: bool, by: str
) -> Score:
    """The score of a continuation whose tokens are the last of `drawn`.

    `by` names the server in the errors: FailedPrecondition if these are not its tokens,
    Unimplemented if one that counts has no log-probability, as the first of a text.
    """
    ends = token_ends([token for token, _ in drawn], prefix, continuation)
    if ends is None:
        raise FailedPrecondition(f"{by} gives tokens that do not make the text that was sent")
    counted = [value for _, value in drawn[len(drawn) - len(ends) :]]
    values = [value for value in counted if value is not None]
    if len(values) != len(counted) or not values:
        raise Unimplemented(
            f"{by} does not score the first token of a text; name the model's start token in "
            "STILLHOUSE_BACKEND_START"
        )
    if not per_token:
        return Score(math.fsum(values), len(values))
    return Score(math.fsum(values), len(values), tuple(values), tuple(ends))
