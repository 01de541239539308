"""Cutting prose into sentences."""

from __future__ import annotations

import re

# A terminator, closing quotes or brackets, and space before what may start a sentence. What
# looks behind keeps long runs of dots linear.
_BOUNDARY = re.compile(r"(?<![.!?])[.!?]+[\"'”’)\]]*\s+(?=[\"'“‘(\[]*[^\W_])")
_LAST_WORD = re.compile(r"[^\s\"'“‘(\[]*$")
_ABBREVIATION = re.compile(
    r"e\.g|i\.e|cf|vs|approx|resp|incl|viz|ca|figs?|eqs?|sec|nos|vol|ch|pp?|eds?|dr|mrs?|ms"
    r"|prof|st|jr|sr|dept|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec",
    re.IGNORECASE,
)
_LOOK_BACK = 8  # characters, more than any abbreviation has: a word cut there is none
# These end a sentence as often as not: they do when a capital follows.
_OPEN_ENDED = re.compile(r"etc|al|inc|ltd|co|corp|no|est|u\.s|u\.k", re.IGNORECASE)


def sentences(text: str) -> list[str]:
    """The sentences of `text` in order, white space normalised; a rest without an end counts."""
    flat = " ".join(text.split())
    found, start = [], 0
    for boundary in _BOUNDARY.finditer(flat):
        if _is_end(flat, start, boundary):
            found.append(flat[start : boundary.end()].rstrip())
            start = boundary.end()
    if start < len(flat):
        found.append(flat[start:])
    return found


def _is_end(flat: str, start: int, boundary: re.Match[str]) -> bool:
    following = flat[boundary.end() : boundary.end() + 4].lstrip("\"'“‘([")[:1]
    if flat[boundary.start()] != "." or boundary.group().startswith("..."):
        return not following.islower()
    end = boundary.start()
    word = _LAST_WORD.search(flat, max(start, end - _LOOK_BACK), end)
    last = word.group() if word else ""
    if _OPEN_ENDED.fullmatch(last):
        return following.isupper()
    return not (_ABBREVIATION.fullmatch(last) or _is_initial(last, following))


def _is_initial(last: str, following: str) -> bool:
    """True of the J in `J. Smith`; the pronoun I ends a sentence."""
    return len(last) == 1 and last.isupper() and last != "I" and following.isupper()
