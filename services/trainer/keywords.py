"""What a document is about: the words that constraints ask its candidates to hold."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping

from stillhouse.generator.types import Clause, Literal
from stillhouse.recipe import Constraints

_WORD = re.compile(r"[^\W_][\w.+#-]*[^\W_]|[^\W_]")
_SENTENCE_START = re.compile(r"(?:^|[.!?:\n]\s*)[\"'(]*$")
_PLAIN = re.compile(r"[a-z]{3,}")


class Idf:
    """Inverse document frequency of words, ln((1 + n) / (1 + df)) + 1, over a corpus."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._documents = 0
        self._frequency: Counter[str] = Counter()
        for text in texts:
            self._documents += 1
            self._frequency.update({word.lower() for word in _WORD.findall(text)})

    def __call__(self, word: str) -> float:
        """Of one word, in either case."""
        return math.log((1 + self._documents) / (1 + self._frequency[word.lower()])) + 1

    def is_common(self, word: str) -> bool:
        """Whether more than a third of the documents hold it."""
        return 3 * self._frequency[word.lower()] > self._documents


def salient_words(text: str, idf: Idf, kinds: Iterable[str]) -> list[str]:
    """The words of a document as it writes them, by tf-idf, the first to occur first among
    equals.

    A number begins with a digit; a name has a capital letter where no sentence begins;
    all else that is of letters and not among the corpus's commonest is a word.
    """
    wanted = set(kinds)
    frequency: Counter[str] = Counter()
    written: dict[str, str] = {}
    kind: dict[str, str] = {}
    for found in _WORD.finditer(text):
        word = found.group()
        key = word.lower()
        frequency[key] += 1
        written.setdefault(key, word)
        kind[key] = _kind(word, text[max(0, found.start() - 8) : found.start()], kind.get(key))
    weights: Mapping[str, float] = {
        key: count * idf(key) for key, count in frequency.items() if kind[key] in wanted
    }
    order = list(written)
    ranked = sorted(weights, key=lambda key: (-weights[key], order.index(key)))
    return [written[key] for key in ranked if not idf.is_common(key)]


def clauses_for(text: str, settings: Constraints, idf: Idf) -> tuple[Clause, ...]:
    """The clauses that a recipe asks of candidates about this document.

    Keywords are dealt out: with a alternatives, clause i of n chooses among the salient
    words i, i + n, i + 2n, … Fewer clauses where the document has fewer such words.
    """
    clauses = [Clause((Literal(tuple(forms)),)) for forms in settings.include]
    if settings.exclude:
        clauses.append(Clause((Literal(settings.exclude, exclude=True),)))
    if settings.keywords:
        words = salient_words(text, idf, settings.kinds)
        words = words[: settings.keywords * settings.alternatives]
        for start in range(min(settings.keywords, len(words))):
            literals = [Literal(forms(word)) for word in words[start :: settings.keywords]]
            clauses.append(Clause(tuple(literals)))
    return tuple(clauses)


def forms(word: str) -> tuple[str, ...]:
    """A word and its plural or singular, where it is a plain English one."""
    if not _PLAIN.fullmatch(word):
        return (word,)
    if word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return (word, word[:-1])
    return (word, f"{word}es" if word.endswith(("s", "x", "ch", "sh")) else f"{word}s")


def _kind(word: str, before: str, known: str | None) -> str:
    if word[0].isdigit():
        return "numbers"
    if known == "names":
        return known
    starts_sentence = _SENTENCE_START.search(before) is not None
    capital = any(letter.isupper() for letter in (word[1:] if starts_sentence else word))
    return "names" if capital else "words"
