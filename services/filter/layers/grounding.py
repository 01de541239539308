"""Grounding: what a summary says stands in one sentence of its document, in that order.

A weak model keeps the document's words and mixes up who does what to whom; every
likelihood stays high then. But a sentence that was shortened, its words dropped and none
moved in, seldom says anything new. So the words of a summary, all but light ones such as
`the` and `is`, must be a subsequence of one sentence of the document, up to a plural's
ending: compression by deletion (Knight and Marcu 2002, section 1; Clarke and Lapata 2008).
Words that turn a meaning round may not be left out in between either. What is gained is
trust, what is lost are the summaries that join sentences or find words of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple

from services.filter.layers.base import Answers, Pair, PairLayer, Scores, threshold
from services.filter.subsequence import common_subsequence
from stillhouse.corpus.sentences import sentences
from stillhouse.text.weights import LIGHT, NEGATIONS, TURNING, is_key, standard
from stillhouse.text.words import per_text, words

_SHORTEST_PLURAL = 4
_LONGEST = 256  # words of a sentence that are compared; more is no prose
_MOST = 16  # sentences of a summary that are compared


@dataclass(frozen=True, slots=True)
class GroundingThresholds:
    """How much must stand in one sentence, how close, and how much a summary must say."""

    order: float = threshold(
        1.0,
        "Rejected if of one of its sentences a smaller share of the words (all but those such as "
        "`the`, `is`, `which`) stands in this order in one sentence of the document that is "
        "negated as often.",
    )
    skipped: float = threshold(
        2,
        "Rejected if between two of them the document has more other key words, or one that"
        " turns a meaning round.",
    )
    words: float = threshold(5, "Rejected with fewer key words.")
    sentences: float = threshold(
        1, "Rejected with more sentences: each may stand in the document and the second speak of"
        " something else there.",
    )  # fmt: skip


class Grounding(PairLayer[GroundingThresholds]):
    """Rejects what no single sentence of the document says in that order."""

    name = "grounding"
    scores = ("order", "skipped", "words", "sentences")
    Thresholds = GroundingThresholds

    def measure(self, pair: Pair, answers: Answers) -> Scores:  # noqa: ARG002
        """`order`, the smallest share over the summary's sentences; `skipped`, the most key
        words in a row that one of them leaves out (as many as its longest sentence has, where
        the order differs); `words`, its key words; `sentences` that have some. What is too long
        to be compared has an order of 0.
        """
        said, known = _sentences(pair.summary), _known(pair.source)
        found = [support(one, known) for one in said[:_MOST]]
        order = min((share for share, _ in found), default=1.0)
        return {
            "order": order if len(said) <= _MOST else 0.0,
            "skipped": max((gap for _, gap in found), default=0),
            "words": sum(len(one.keys) for one in said),
            "sentences": len(said),
        }

    def rule(self, scores: Scores) -> str | None:
        """says_little, joined, rearranged, patched."""
        if scores["words"] < self.thresholds.words:
            return "says_little"
        if scores["sentences"] > self.thresholds.sentences:
            return "joined"
        if scores["order"] < self.thresholds.order:
            return "rearranged"
        return "patched" if scores["skipped"] > self.thresholds.skipped else None


class Sentence(NamedTuple):
    """Its words without plural endings, in order: all but light ones; and of these the key words,
    which carry content or turn a meaning round.
    """

    words: tuple[str, ...]
    keys: tuple[str, ...]

    @classmethod
    def of(cls, text: str) -> Sentence:
        """Of a sentence as written."""
        every, keys = [], []
        for word in map(standard, words(text)):
            if word in LIGHT:
                continue
            form = word if word in TURNING else _singular(word)
            every.append(form)
            if is_key(word):
                keys.append(form)
        return cls(tuple(every), tuple(keys))


@per_text
def _sentences(text: str) -> tuple[Sentence, ...]:
    """The sentences that have key words."""
    return tuple(one for one in map(Sentence.of, sentences(text)) if one.keys)


@per_text
def _known(text: str) -> tuple[Sentence, ...]:
    """The sentences of a document, as much of each as is compared."""
    return tuple(Sentence(one.words[:_LONGEST], one.keys[:_LONGEST]) for one in _sentences(text))


def _singular(word: str) -> str:
    """`word` without the ending of a plural or of a third person. No other ending is dropped:
    `preceded` and `precedes` tell who comes first.
    """
    if not word.endswith("s") or word.endswith("ss") or len(word) < _SHORTEST_PLURAL:
        return word
    return word[:-2] if word.endswith(("ches", "shes", "sses", "xes", "zes")) else word[:-1]


def support(one: Sentence, known: Sequence[Sentence]) -> tuple[float, int]:
    """The largest share of the words of `one` that is a subsequence of a sentence of `known` that
    is negated as often; and if that is all of them the widest gap between its key words, else
    the key words of the longest sentence. Too long a sentence has a share of 0.
    """
    negations = _negations(one.keys)
    comparable = known if len(one.words) <= _LONGEST else ()
    alike = [other for other in comparable if _negations(other.keys) == negations]
    longest = max((common_subsequence(one.words, other.words) for other in alike), default=0)
    share = longest / len(one.words)
    gaps = [
        gap
        for other in alike
        if share == 1
        and common_subsequence(one.words, other.words) == len(one.words)
        and (gap := widest_gap(one.keys, other.keys)) is not None
    ]
    return share, min(gaps, default=max((len(other.keys) for other in known), default=0))


def _negations(sentence: Sequence[str]) -> int:
    return sum(word in NEGATIONS for word in sentence)


def widest_gap(one: Sequence[str], other: Sequence[str]) -> int | None:
    """Fewest words of `other` that need be left out in a row between two words of `one`.

    None if `one` is no subsequence of it, or only one that leaves out a word that turns.
    """
    turns = [0, *accumulate(word in TURNING for word in other)]
    places: dict[str, list[int]] = {}
    for place, word in enumerate(other):
        places.setdefault(word, []).append(place)
    ends = dict.fromkeys(places.get(one[0], []), 0)  # where it may have ended: the gap so far
    for word in one[1:]:
        ends = {
            place: min(max(gap, place - end - 1) for end, gap in before)
            for place in places.get(word, [])
            if (
                before := [
                    (end, gap)
                    for end, gap in ends.items()
                    if end < place and turns[place] == turns[end + 1]
                ]
            )
        }
    return min(ends.values(), default=None)
