"""Words, numbers, names and copied runs of a text, as the layers see them.

Every function takes any text and its time is linear in the text's length. Texts are
compared after NFKC normalisation and case folding, so that full-width digits and
capital letters make no difference.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from functools import cache, lru_cache, wraps
from typing import NamedTuple, TypeVar

# Scripts written without spaces: one word a character, or |y|/|x| would mean nothing.
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
)
_ASCII_WORD = re.compile(r"\w+(?:'[^\W\d_]+)*", re.ASCII)  # the same there, and fast
_ENDINGS = ".!?…。！？।؟።"
_CLOSINGS = "\"'`”’»)]}*_」』）"
# Documents are read once per candidate, candidates once per layer: a batch must fit. Long
# texts are few, or they would fill the memory.
_CACHED_TEXTS, _CACHED_LONG_TEXTS = 1024, 8
_LONG = 20_000  # characters

_A = TypeVar("_A")

_FUNCTION_WORDS = """
a about above after again against all also am an and any are as at be because been before
being below between both but by can cannot could did do does doing down during each either
else etc few for from further had has have having he her here hers herself him himself his
how however i if in instead into is it its itself just let may me might more most must my
myself neither no nor not now of off on once one only onto or other otherwise our ours
ourselves out over own per same shall she should since so some such than that the their
theirs them themselves then there therefore these they this those through thus to too
under unless until up upon us used using very via was we were what when where whether
which while who whom whose why will with within without would yet you your yours yourself
"""
STOPWORDS = frozenset(_FUNCTION_WORDS.split())


def per_text(read: Callable[[str], _A]) -> Callable[[str], _A]:
    """Remember what `read` says of the latest texts."""
    short, long = lru_cache(_CACHED_TEXTS)(read), lru_cache(_CACHED_LONG_TEXTS)(read)

    @wraps(read)
    def remembered(text: str) -> _A:
        return (short if len(text) < _LONG else long)(text)

    remembered.caches = (short, long)  # type: ignore[attr-defined]
    return remembered


class Word(NamedTuple):
    """A word as written, and where it stands in its text (characters)."""

    text: str
    start: int
    end: int

    @property
    def key(self) -> str:
        """The form that words are compared by."""
        return fold(self.text)


def fold(text: str) -> str:
    """`text` after NFKC normalisation and case folding."""
    return text.lower() if text.isascii() else unicodedata.normalize("NFKC", text).casefold()


def matches(text: str) -> list[re.Match[str]]:
    """The words of `text` in order, as they were found: cheaper than `spans`."""
    return list(_pattern(text).finditer(text))


@per_text
def spans(text: str) -> tuple[Word, ...]:
    """The words of `text` in order, as written; punctuation is left out."""
    return tuple(Word(found.group(), *found.span()) for found in _pattern(text).finditer(text))


@per_text
def words(text: str) -> tuple[str, ...]:
    """The words of `text` in order, folded; one that folding makes several of, as ½, is several."""
    if text.isascii():
        return tuple(_ASCII_WORD.findall(text.lower()))
    folded = fold("\n".join(_word().findall(text)))
    return tuple(_pattern(folded).findall(folded))


@cache
def marks() -> str:
    """The combining marks, which `\\w` leaves out, as part of a regular expression's class.

    Variation selectors only choose a glyph: they are no part of a word.
    """
    every = map(chr, range(0x300, 0x20000))  # there are none before, and none behind
    found = [c for c in every if unicodedata.category(c) in ("Mn", "Mc")]
    return "".join(c for c in found if not unicodedata.name(c).startswith("VARIATION SELECTOR"))


def _pattern(text: str) -> re.Pattern[str]:
    return _ASCII_WORD if text.isascii() else _word()


@cache
def _word() -> re.Pattern[str]:
    """A word in any script; it goes on over combining marks."""
    part, letters = (
        rf"[^\W{but}{_UNSPACED}]+(?:[{marks()}]+[^\W{but}{_UNSPACED}]*)*" for but in ("", r"\d_")
    )
    return re.compile(rf"[{_UNSPACED}]|{part}(?:['’]{letters})*")


@per_text
def vocabulary(text: str) -> frozenset[str]:
    """The distinct folded words of `text`."""
    return frozenset(words(text))


def is_content(word: str) -> bool:
    """True for a folded word that carries meaning of its own (numbers do)."""
    return word not in STOPWORDS and (len(word) > 1 or not word.isascii() or word.isdigit())


@per_text
def content_words(text: str) -> tuple[str, ...]:
    """The folded content words of `text` in order."""
    return tuple(word for word in words(text) if is_content(word))


def ngrams(sequence: Sequence[str], n: int) -> list[tuple[str, ...]]:
    """The n-grams of `sequence` in order; none if it is shorter than n."""
    return [tuple(sequence[i : i + n]) for i in range(len(sequence) - n + 1)]


def ends_sentence(text: str) -> bool:
    """True if `text` ends with a mark that ends sentences, in any script."""
    return text.rstrip().rstrip(_CLOSINGS).endswith(tuple(_ENDINGS))
