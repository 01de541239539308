"""Surface: what can be refused without any model.

PMI critics hardly see a changed number or name (research: the same words in another
role score alike), so these are hard guards: numbers and names of the summary must
stand in the document. The numbers filter of Impossible Distillation (arXiv 2305.16635v4,
appendix A) asks the same of paraphrases.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from services.filter.facts import new_names, new_numbers, new_word_share
from services.filter.layers.base import Answers, Pair, PairLayer, Scores, threshold
from stillhouse.text.words import content_words, ends_sentence, fold, ngrams, per_text, words

_REPEATED = 3  # words of the n-grams in which repetition is counted

# What chat models say about their task instead of doing it.
_ECHO = re.compile(
    r"\b(?:this|the|given|provided|following|original|above) (?:\w+ )?"
    r"(?:text|passage|paragraph|sentence|excerpt|summary|description|snippet|document)\b"
    r"|\b(?:summary|summari[sz]ed?|summari[sz]es|summari[sz]ing|rewritten|revised|rephrased"
    r"|paraphrased?) (?:version|of|the|text|sentence|in one)\b"
    r"|\bin (?:one|a) (?:short |single |concise )?sentence\b"
    r"|^\W*(?:here(?:'s|’s| is| are)|sure\b|certainly\b|summary\b|text\b|answer\b|as an ai\b)"
)
# One of these stands in all that the pattern finds; to look for them takes a tenth of its time.
_ECHO_PARTS = (
    "text", "passage", "paragraph", "sentence", "excerpt", "summar", "description", "snippet",
    "document", "rewritten", "revised", "rephrased", "here", "sure", "certainly", "answer",
    "as an ai",
)  # fmt: skip
_NEGATION = re.compile(r"\b(?:not|no|never|none|cannot|without|neither|nor)\b|n['’]t\b")

_SENTENCE_END = re.compile(r"(?<=[.!?…])\s+|[。！？।]|\n{2,}")
LATIN = "LATIN"
_ONE_SCRIPT = {"HIRAGANA": "CJK", "KATAKANA": "CJK", "MODIFIER": None, "": None}


@dataclass(frozen=True, slots=True)
class SurfaceThresholds:
    """How much of each flaw is borne."""

    new_numbers: float = threshold(0, "Rejected with more numbers that the document lacks.")
    new_names: float = threshold(0, "Rejected with more names that the document lacks.")
    new_words: float = threshold(
        0.5, "Rejected if a larger share of its content words has no form in the document."
    )
    repetition: float = threshold(
        0.1, "Rejected if a larger share of the word trigrams repeats an earlier one."
    )
    unfinished: float = threshold(0, "1 lets pass what was cut or ends without a full stop.")
    echo: float = threshold(0, "1 lets pass what speaks of its task (`The text is about`).")
    negation: float = threshold(0, "1 lets pass a negation where the document has none.")
    parity: float = threshold(
        1, "0 rejects an odd number of negations where the nearest sentence of the document has"
        " an even one, and the reverse.",
    )  # fmt: skip
    new_script: float = threshold(
        0, "Rejected with more letters of scripts that the document does not use."
    )


class Surface(PairLayer[SurfaceThresholds]):
    """Rejects invented numbers and names, loops, fragments and talk about the task."""

    name = "surface"
    scores = (
        "new_numbers", "new_names", "new_words", "repetition", "unfinished", "echo", "negation",
        "parity", "new_script",
    )  # fmt: skip
    Thresholds = SurfaceThresholds

    def measure(self, pair: Pair, answers: Answers) -> Scores:  # noqa: ARG002
        """Counts of new numbers and names, shares of new words and repeated trigrams, flags."""
        source, summary = pair.source, pair.summary
        return {
            "new_numbers": len(new_numbers(summary, source)),
            "new_names": len(new_names(summary, source)),
            "new_words": new_word_share(summary, source),
            "repetition": repetition(words(summary)),
            "unfinished": float(not (pair.candidate.finished and ends_sentence(summary))),
            "echo": float(is_echo(summary, source)),
            "negation": float(negates(summary) and not negates(source)),
            "parity": float(breaks_parity(summary, source)),
            "new_script": foreign_letters(summary, source),
        }

    def rule(self, scores: Scores) -> str | None:
        """unfinished, echo, repetition, new_script, new_number, new_name, new_words,
        new_negation, negation_parity.
        """
        limits = self.thresholds
        flaws = {
            "unfinished": scores["unfinished"] > limits.unfinished,
            "echo": scores["echo"] > limits.echo,
            "repetition": scores["repetition"] > limits.repetition,
            "new_script": scores["new_script"] > limits.new_script,
            "new_number": scores["new_numbers"] > limits.new_numbers,
            "new_name": scores["new_names"] > limits.new_names,
            "new_words": scores["new_words"] > limits.new_words,
            "new_negation": scores["negation"] > limits.negation,
            "negation_parity": scores["parity"] > limits.parity,
        }
        return next((reason for reason, found in flaws.items() if found), None)


def repetition(sequence: Sequence[str]) -> float:
    """Share of the trigrams that repeat an earlier one, or of doubled words if larger."""
    trigrams = ngrams(sequence, _REPEATED)
    repeated = len(trigrams) - len(set(trigrams))
    doubled = sum(a == b for a, b in pairwise(sequence))
    return max(repeated, doubled) / max(1, len(trigrams))


def is_echo(summary: str, source: str) -> bool:
    """True if `summary` speaks of its task in words that `source` doesn't use."""
    if not content_words(summary):
        return True
    folded = fold(summary)
    if not any(part in folded for part in _ECHO_PARTS):
        return False
    return any(found.group() not in fold(source) for found in _ECHO.finditer(folded))


@per_text
def negates(text: str) -> bool:
    """True if `text` contains a word of negation (English)."""
    return _NEGATION.search(fold(text)) is not None


def breaks_parity(summary: str, source: str) -> bool:
    """True if `summary` and the sentence of `source` nearest to it differ in whether their
    number of negations is odd. Nearest: most content words in common; the first of equals.
    """
    said = frozenset(content_words(summary))
    sentences = _sentences(source)
    if not said or not sentences:
        return False
    odd = _odd(summary)
    if all(one.odd == odd for one in sentences):  # whichever is nearest
        return False
    nearest = max(sentences, key=lambda one: len(one.content & said))
    return bool(nearest.content & said) and nearest.odd != odd


def foreign_letters(summary: str, source: str) -> int:
    """Letters of `summary` in a script that `source` does not use."""
    if summary.isascii():
        return 0 if LATIN in scripts(source) else sum(map(str.isalpha, summary))
    known = scripts(source)
    found = map(_script, unicodedata.normalize("NFKC", summary))
    return sum(script is not None and script not in known for script in found)


@per_text
def scripts(text: str) -> frozenset[str]:
    """The scripts of the letters of `text` (NFKC): the first word of their Unicode names.

    Japanese mixes three in one sentence, so Han and kana count as one.
    """
    letters = set(unicodedata.normalize("NFKC", text))
    return frozenset(script for script in map(_script, letters) if script is not None)


@lru_cache(maxsize=4096)
def _script(letter: str) -> str | None:
    """The script of a letter; None for all else, and for letters of every script."""
    if not letter.isalpha():
        return None
    name = unicodedata.name(letter, "").partition(" ")[0]
    return _ONE_SCRIPT.get(name, name)


@dataclass(frozen=True, slots=True)
class _Sentence:
    content: frozenset[str]
    odd: bool


@per_text
def _sentences(text: str) -> tuple[_Sentence, ...]:
    parts = (part for part in _SENTENCE_END.split(text) if part.strip())
    return tuple(_Sentence(frozenset(content_words(part)), _odd(part)) for part in parts)


def _odd(text: str) -> bool:
    return len(_NEGATION.findall(fold(text))) % 2 == 1
