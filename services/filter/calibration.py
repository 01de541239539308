"""Hard negatives made without labels, and thresholds from their scores.

A negative is a summary with one fact made wrong on purpose: about the same document,
in the same words otherwise. Other documents' summaries are no negatives: PMI tells
them apart with ease, and thresholds set on them let 97 % of everything pass.
References of held-out documents are never read.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from random import Random

from services.filter.facts import names
from stillhouse.text.words import STOPWORDS, Word, is_content, spans

_AUXILIARY = re.compile(
    r"\b(?:is|are|was|were|be|can|may|must|should|will|would|could|does|do|has|have)\b"
)
_ASIDE = re.compile(r"\s*\([^()]*\)")
_ADVERB = re.compile(r"\b[a-z]{3,}ly\s+")
_CLAUSE_END = re.compile(r"[,;:]\s")
_LEAST_WORDS = 4  # of a clause that says something by itself

Maker = Callable[[str, str, str, Random], str | None]


def swapped_number(summary: str, document: str, neighbour: str, rng: Random) -> str | None:
    """`summary` with one number replaced by another; None if it has none."""
    targets = [word for word in spans(summary) if word.text.isdecimal()]
    if not targets:
        return None
    target = rng.choice(targets)
    found = {word.text for text in (document, neighbour) for word in spans(text)}
    others = sorted(n for n in found if n.isdecimal() and int(n) != int(target.text))
    return _replace(summary, target, rng.choice(others) if others else f"{int(target.text) + 1}")


def swapped_name(summary: str, document: str, neighbour: str, rng: Random) -> str | None:
    """`summary` with one name or identifier replaced by another of the neighbour."""
    own = set(names(summary))
    targets = [word for word in spans(summary) if word.text in own]
    return _swap(summary, targets, names(neighbour) or names(document), rng)


def moved_word(summary: str, document: str, neighbour: str, rng: Random) -> str | None:  # noqa: ARG001
    """`summary` with one content word replaced by another one of the same document."""
    return _swap(summary, _content(summary), [w.text for w in _content(document)], rng)


def foreign_word(summary: str, document: str, neighbour: str, rng: Random) -> str | None:  # noqa: ARG001
    """`summary` with one content word replaced by one of the neighbour document."""
    return _swap(summary, _content(summary), [w.text for w in _content(neighbour)], rng)


def negated(summary: str, document: str, neighbour: str, rng: Random) -> str | None:  # noqa: ARG001
    """`summary` with "not" after one of its auxiliaries; None if it has none."""
    places = [found.end() for found in _AUXILIARY.finditer(summary)]
    if not places:
        return None
    place = rng.choice(places)
    return f"{summary[:place]} not{summary[place:]}"


NEGATIVES: dict[str, Maker] = {
    "number": swapped_number,
    "name": swapped_name,
    "moved": moved_word,
    "foreign": foreign_word,
    "negation": negated,
}
"""Makers of hard negatives, by kind; inventions are sampled from a model instead."""


def hard_negatives(summary: str, document: str, neighbour: str, rng: Random) -> dict[str, str]:
    """One negative of each kind that can be made of `summary`, by kind."""
    made = {kind: make(summary, document, neighbour, rng) for kind, make in NEGATIVES.items()}
    return {kind: text for kind, text in made.items() if text is not None and text != summary}


def false_accept_threshold(negatives: Sequence[float], rate: float) -> float:
    """The smallest tau such that at most `rate` of the negatives score tau or more.

    A layer that passes scores >= tau then accepts that share of them falsely. If even
    the largest score must fail, tau lies just above it. ValueError if there are none.
    """
    if not negatives:
        raise ValueError("a threshold needs at least one negative")
    ordered = sorted(negatives, reverse=True)
    allowed = int(rate * len(ordered))
    if allowed >= len(ordered):
        return ordered[-1]
    return math.nextafter(ordered[allowed], math.inf)


def auc(positives: Sequence[float], negatives: Sequence[float]) -> float:
    """P(positive > negative) + P(equal) / 2 over all pairs: the area under the ROC curve.

    O((n + m) log m). ValueError if one side is empty.
    """
    if not positives or not negatives:
        raise ValueError("AUC needs scores on both sides")
    ordered = sorted(negatives)
    doubled = sum(bisect_left(ordered, s) + bisect_right(ordered, s) for s in positives)
    return doubled / (2 * len(positives) * len(negatives))


def _content(text: str) -> list[Word]:
    return [word for word in spans(text) if is_content(word.key) and not word.text.isdecimal()]


def _swap(
    summary: str, targets: Sequence[Word], replacements: Sequence[str], rng: Random
) -> str | None:
    present = {word.key for word in spans(summary)} | STOPWORDS
    others = sorted({text for text in replacements if text.casefold() not in present})
    if not targets or not others:
        return None
    return _replace(summary, rng.choice(targets), rng.choice(others))


def _replace(text: str, word: Word, other: str) -> str:
    return text[: word.start] + other + text[word.end :]


def deletions(sentence: str) -> str | None:
    """`sentence` without what stands in parentheses and without its adverbs in -ly; None if
    it has neither.
    """
    shorter = _ADVERB.sub("", _ASIDE.sub("", sentence))
    return shorter if shorter != sentence else None


def lead_clause(sentence: str) -> str | None:
    """`sentence` up to its first comma, semicolon or colon; None if too little is there."""
    found = _CLAUSE_END.search(sentence)
    if found is None or len(spans(sentence[: found.start()])) < _LEAST_WORDS:
        return None
    return f"{sentence[: found.start()]}."


def positives(sentence: str) -> dict[str, str]:
    """What is true by construction of a document that holds `sentence`, by kind."""
    made = {
        "identity": sentence,
        "deletion": deletions(sentence),
        "lead clause": lead_clause(sentence),
    }
    return {kind: text for kind, text in made.items() if text is not None}
