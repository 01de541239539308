"""Where tokens end in a text, told from the texts of the tokens alone.

A server gives tokens as strings. Joined they are not always the text: one that holds a
part of a character shows as U+FFFD or as nothing, a start token stands before the text, and
some tokenizers show a word without the space before it.
"""

from __future__ import annotations

from collections.abc import Sequence

_UNKNOWN = "\ufffd"

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
