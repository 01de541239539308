"""Words, numbers, names and copied runs of a text, as the layers see them.

Every function takes any text and its time is linear in the text's length. Texts are
compared after NFKC normalisation and case folding, so that full-width digits and
capital letters make no difference.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

# Scripts written without spaces: one word a character, or |y|/|x| would mean nothing.
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
)
_WORD = re.compile(rf"[{_UNSPACED}]|[^\W{_UNSPACED}]+(?:['’][^\W\d_{_UNSPACED}]+)*")
_ENDINGS = ".!?…。！？।؟።"
_CLOSINGS = "\"'`”’»)]}*_」』）"
_CACHED_TEXTS = 64  # the documents of a batch are read once per candidate

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


@dataclass(frozen=True, slots=True)
class Word:
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
    return unicodedata.normalize("NFKC", text).casefold()


@lru_cache(maxsize=_CACHED_TEXTS)
def spans(text: str) -> tuple[Word, ...]:
    """The words of `text` in order, as written; punctuation is left out."""
    return tuple(Word(found.group(), *found.span()) for found in _WORD.finditer(text))


@lru_cache(maxsize=_CACHED_TEXTS)
def words(text: str) -> tuple[str, ...]:
    """The words of `text` in order, folded."""
    return tuple(word.key for word in spans(text))


@lru_cache(maxsize=_CACHED_TEXTS)
def vocabulary(text: str) -> frozenset[str]:
    """The distinct folded words of `text`."""
    return frozenset(words(text))


def is_content(word: str) -> bool:
    """True for a folded word that carries meaning of its own (numbers do)."""
    return word not in STOPWORDS and (len(word) > 1 or not word.isascii() or word.isdigit())


def content_words(text: str) -> tuple[str, ...]:
    """The folded content words of `text` in order."""
    return tuple(word for word in words(text) if is_content(word))


def ngrams(sequence: Sequence[str], n: int) -> list[tuple[str, ...]]:
    """The n-grams of `sequence` in order; none if it is shorter than n."""
    return [tuple(sequence[i : i + n]) for i in range(len(sequence) - n + 1)]


def ends_sentence(text: str) -> bool:
    """True if `text` ends with a mark that ends sentences, in any script."""
    return text.rstrip().rstrip(_CLOSINGS).endswith(tuple(_ENDINGS))
