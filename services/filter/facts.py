"""Numbers and names of a text: the facts that a fluent model invents most easily.

What counts as the same: "1,000" and "1000", "three" and "3", "2.0" and "2", "UTF-8" and
"utf8", "StreamWriter" and "stream writer", "APIs" and "API". What doesn't: "3.1" and
"3.10", which are versions as often as decimals.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from stillhouse.text.words import (
    STOPWORDS,
    content_words,
    fold,
    matches,
    per_text,
    vocabulary,
    words,
)

_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_GROUPED = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?")
_CAMEL = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_a-zA-Z]+")
_SENTENCE_BREAK = re.compile(r"[.!?:;…。！？|\n]|[\"“]\s*$")
_QUOTES = tuple("'\"`“‘«")
_MARKS = (*_QUOTES, "(", "_")
_WORD_ENDINGS = (
    "ations",
    "ation",
    "ings",
    "ing",
    "ies",
    "ers",
    "er",
    "ed",
    "es",
    "ly",
    "s",
    "e",
    "y",
)
_LONGEST_NUMBER = 40  # digits; longer runs are data, compared as written

# "one" is left out: it is a pronoun as often as a number.
_SMALL = """two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen
sixteen seventeen eighteen nineteen twenty"""
_LARGE = {
    "zero": "0", "twice": "2", "thirty": "30", "forty": "40", "fifty": "50", "sixty": "60",
    "seventy": "70", "eighty": "80", "ninety": "90", "hundred": "100", "thousand": "1000",
    "million": "1000000", "billion": "1000000000",
}  # fmt: skip
_NUMBER_WORDS = {word: str(n) for n, word in enumerate(_SMALL.split(), start=2)} | _LARGE


@per_text
def numbers(text: str) -> frozenset[str]:
    """The numbers of `text`, written in digits or as words, in one form each."""
    folded = fold(text)
    digits = {part for found in _NUMBER.findall(folded) for part in _normalise(found)}
    spelled = {_NUMBER_WORDS[word] for word in vocabulary(text) & _NUMBER_WORDS.keys()}
    return frozenset(digits | spelled)


def new_numbers(summary: str, document: str) -> frozenset[str]:
    """The numbers of `summary` that `document` lacks."""
    new = numbers(summary) - numbers(document)
    return new - _counted(document) if new else new


def new_names(summary: str, document: str) -> tuple[str, ...]:
    """The names and identifiers of `summary` that `document` lacks, as written.

    A name is a word with a capital letter, or an identifier: with an underscore, opened
    by a quotation mark or called (`read(`). The first word of a sentence counts only if
    more than its first letter is a capital, or if another name follows it.
    """
    known = vocabulary(document)
    return tuple(name for name in names(summary) if not _supported(name, known))


def names(text: str) -> tuple[str, ...]:
    """The names and identifiers of `text` in order, as written."""
    every = matches(text)
    marked = any(mark in text for mark in _MARKS)  # most texts have no identifier
    said = [found.group() for found in every]
    return tuple(
        word
        for position, word in enumerate(said)
        if (marked and _is_identifier(text, every[position]))
        or (not word.islower() and _is_proper(text, every, position))
    )


def new_word_share(summary: str, document: str) -> float:
    """Share of the content words of `summary` of which `document` has no form; 0 for none."""
    said = content_words(summary)
    known = _stems(document)
    return sum(stem(word) not in known for word in said) / max(1, len(said))


@per_text
def _stems(text: str) -> frozenset[str]:
    return frozenset(stem(word) for word in vocabulary(text))


@lru_cache(maxsize=8192)
def stem(word: str) -> str:
    """`word` without a common English ending: `uses`, `used`, `using` and `use` are one."""
    for ending in _WORD_ENDINGS if not word.endswith("ss") else ():
        if word.endswith(ending) and len(word) >= len(ending) + 2:
            return word[: -len(ending)]
    return word


def _is_identifier(text: str, found: re.Match[str]) -> bool:
    """True if a word has an underscore inside, is quoted or is called as a function."""
    start, end = found.span()
    if "_" in found.group().strip("_"):
        return True
    quoted = text[max(0, start - 1) : start] in _QUOTES
    called = text[end : end + 1] == "("
    return (quoted or called) and fold(found.group()) not in STOPWORDS


def _is_proper(text: str, every: Sequence[re.Match[str]], position: int) -> bool:
    """True if the word has a capital that is not merely the sentence's first."""
    word = every[position].group()
    return _capitalised(word) and (
        not _starts_sentence(text, every, position)
        or any(c.isupper() for c in word[1:])
        or (position + 1 < len(every) and _capitalised(every[position + 1].group()))
    )


def _capitalised(word: str) -> bool:
    if word.islower():
        return False
    key = fold(word)
    if key in STOPWORDS or key in _NUMBER_WORDS:
        return False
    return any(c.isupper() for c in word)


def _starts_sentence(text: str, every: Sequence[re.Match[str]], position: int) -> bool:
    if position == 0:
        return True
    between = text[every[position - 1].end() : every[position].start()]
    return _SENTENCE_BREAK.search(between) is not None


def _supported(name: str, known: frozenset[str]) -> bool:
    return _form_known(fold(name), known) or _parts_known(name, known) or _cut_known(name, known)


def _form_known(word: str, known: frozenset[str]) -> bool:
    stem = word.removesuffix("'s").removesuffix("’s")
    return bool({word, stem, stem + "s", stem.removesuffix("s"), stem.removesuffix("es")} & known)


def _cut_known(name: str, known: frozenset[str]) -> bool:
    """Whether the words are known into which the name falls once it is folded."""
    return not name.isascii() and all(word in known for word in words(name))


def _parts_known(name: str, known: frozenset[str]) -> bool:
    parts = [fold(part) for part in _CAMEL.findall(name)]
    return len(parts) > 1 and all(_form_known(part, known) for part in parts)


def _normalise(number: str) -> list[str]:
    """One number in its one form; a list with commas falls into its members."""
    if len(number) > _LONGEST_NUMBER:
        return [number]
    if _GROUPED.fullmatch(number):
        number = number.replace(",", "")
    return [_canonical(part) for part in number.split(",")]


def _canonical(number: str) -> str:
    whole, dot, rest = number.partition(".")
    whole = str(int(whole))  # also turns the digits of other scripts into ASCII
    if not dot or rest == "0":
        return whole
    return f"{whole}.{rest}"


def _counted(document: str) -> frozenset[str]:
    """Numbers that a summary may state since the document says them otherwise."""
    known = vocabulary(document)
    pairs = {"2": {"both", "pair", "second"}, "1": {"one", "single", "first"}}
    return frozenset(number for number, said in pairs.items() if said & known)
