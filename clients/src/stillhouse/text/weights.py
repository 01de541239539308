"""What the words of a sentence weigh: which may come and go, which carry it, which turn it.

English lists; words are folded (`stillhouse.text.words`).
"""

from __future__ import annotations

from stillhouse.text.words import is_content

NEGATIONS = frozenset({"no", "not", "never", "nor", "neither", "without"})

_TURNING_WORDS = """
or only unless except if before after until since than more less other another between against
must may might should optionally sometimes usually often always almost nearly whether either
maximum minimum most least all every both same different respectively even but
"""
TURNING = NEGATIONS | frozenset(_TURNING_WORDS.split())
"""Words that turn a meaning round where they are left out or put in."""

_LIGHT_WORDS = """
a an the is are be am was were been being do does did it its this these they their that which who
whose and of
"""
LIGHT = frozenset(_LIGHT_WORDS.split())
"""Words that may be put in or left out; all others tell who, where or whither."""

_AUXILIARY_WORDS = """
is are be am was were been being do does did has have had can could may might must shall should
will would to not
"""
AUXILIARY = frozenset(_AUXILIARY_WORDS.split())
"""Words that are nothing without the verb or the predicate behind them."""


def standard(word: str) -> str:
    """`word` with negating verbs (`can't`, `cannot`) as `not`."""
    return "not" if word == "cannot" or word.endswith(("n't", "n’t")) else word


def is_key(word: str) -> bool:
    """Whether a standard word carries content, as a variable's letter does, or turns a meaning."""
    if word in TURNING:
        return True
    return word not in LIGHT and (is_content(word) or (len(word) == 1 and word.isalpha()))
