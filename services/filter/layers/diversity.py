"""Diversity: of the near-duplicates about one source only the best stays.

Algorithm 1 of Impossible Distillation (arXiv 2305.16635v4, section 3.2): an edge between
two candidates that say the same, connected components, the best of each component. Edges
are, by `edge`, the Jaccard similarity of content words (`overlap`), or an NLI model that
finds each of the two entailed by the other (`entailment`); published is an edge wherever
one entails the other, with a threshold that isn't told. At most `keep` of the survivors
stay, the best first. Near-duplicates across sources are the trainer's.

The best is the one with the largest p(x => y) + p(y => x) where `entailment` came before, as
published (the authors' code keeps the smallest p(y => x), a remnant of another use).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from services.filter.layers.base import (
    Case,
    Inference,
    Layer,
    Pair,
    Questions,
    Scores,
    threshold,
)
from stillhouse.text.words import content_words

QUALITIES = (("entailment.forward", "entailment.backward"), ("faithfulness.pmi",))
"""The scores whose sum tells the best: the first of these groups of which any is there.
Without any, the candidate's mean log-probability."""


@dataclass(frozen=True, slots=True)
class DiversityThresholds:
    """When two candidates say the same, and how many a source may keep."""

    similarity: float = threshold(
        0.5, "Two candidates are near-duplicates from this Jaccard similarity of words on."
    )
    entailment: float = threshold(
        0.75, "With `edge: entailment` near-duplicates if each entails the other from here on."
    )
    keep: float = threshold(2, "Most candidates that a source keeps.")


class Diversity(Layer[DiversityThresholds]):
    """Keeps the best of each group of near-duplicates, and few of each source."""

    name = "diversity"
    scores = ("rank", "duplicate")
    relative = True
    choices: ClassVar = {"edge": ("overlap", "entailment")}
    Thresholds = DiversityThresholds

    @property
    def needs(self) -> tuple[str, ...]:
        """The NLI model, for edges by entailment."""
        return ("nli",) if self.options["edge"] == "entailment" else ()

    def questions_all(self, pairs: Sequence[Pair], alive: Sequence[bool]) -> list[Questions]:
        """Of each candidate that is alive, whether it entails each other one of its source."""
        questions = [Questions()] * len(pairs)
        if not self.needs:
            return questions
        for positions in _by_source(pairs, alive):
            for one in positions:
                premise = pairs[one].summary
                others = (pairs[other].summary for other in positions if other != one)
                questions[one] = Questions(nli=tuple(Inference(premise, y) for y in others))
        return questions

    def measure_all(self, cases: Sequence[Case]) -> list[Scores]:
        """`rank` of a candidate's component in its source, from 1, by the best of each;
        `duplicate` is 1 unless the candidate is that best.

        Candidates that an earlier layer rejected take no part and get no scores.
        """
        scores: list[Scores] = [{} for _ in cases]
        for positions in _by_source([case.pair for case in cases], [c.alive for c in cases]):
            for rank, component in enumerate(self._components(cases, positions), start=1):
                for place, position in enumerate(component):
                    scores[position] = {"rank": rank, "duplicate": float(place > 0)}
        return scores

    def rule(self, scores: Scores) -> str | None:
        """near_duplicate, not_best."""
        if scores["duplicate"]:
            return "near_duplicate"
        return "not_best" if scores["rank"] > self.thresholds.keep else None

    def _components(self, cases: Sequence[Case], positions: list[int]) -> list[list[int]]:
        ordered = sorted(positions, key=lambda p: _order(cases[p]))
        entails = _entailments(cases, positions) if self.needs else {}
        said = [frozenset(content_words(cases[p].pair.summary)) for p in ordered]

        def joined(a: int, b: int) -> bool:
            both = [entails.get((ordered[i], ordered[j]), math.nan) for i, j in ((a, b), (b, a))]
            if any(map(math.isnan, both)):  # overlap is chosen, or the two are too long to read
                return jaccard(said[a], said[b]) >= self.thresholds.similarity
            return min(both) >= self.thresholds.entailment

        groups = components(len(ordered), joined)
        return [[ordered[place] for place in group] for group in groups]


def _by_source(pairs: Sequence[Pair], alive: Sequence[bool]) -> list[list[int]]:
    """The places of those alive, by source."""
    sources: dict[str, list[int]] = {}
    for place, (pair, lives) in enumerate(zip(pairs, alive, strict=True)):
        if lives:
            sources.setdefault(pair.document.id, []).append(place)
    return list(sources.values())


def _entailments(cases: Sequence[Case], positions: Sequence[int]) -> dict[tuple[int, int], float]:
    """p(i => j) by (i, j), of the candidates of one source."""
    return {
        (one, other): answer.probability
        for one in positions
        for other, answer in zip(
            (p for p in positions if p != one), cases[one].answers.nli, strict=True
        )
    }


def components(size: int, joined: Callable[[int, int], bool]) -> list[list[int]]:
    """Connected components of the nodes 0..size-1 under the symmetric relation `joined`.

    Nodes ascend within a component, components ascend by their first node. O(size^2).
    """
    groups: list[list[int]] = []
    for node in range(size):
        touching = [group for group in groups if any(joined(other, node) for other in group)]
        groups = [group for group in groups if group not in touching]
        groups.append(sorted([node, *(other for group in touching for other in group)]))
    return sorted(groups)


def jaccard(left: frozenset[str], right: frozenset[str]) -> float:
    """|A and B| / |A or B|; 1 for two empty sets."""
    union = len(left | right)
    return len(left & right) / union if union else 1.0


def _order(case: Case) -> tuple[float, int, str]:
    """Best first; ties by sample index, so that the order of delivery has no effect."""
    candidate = case.pair.candidate
    quality = candidate.logprob / max(1, candidate.tokens)
    for names in QUALITIES:
        known = [case.earlier[name] for name in names if name in case.earlier]
        if known:
            quality = math.fsum(known)
            break
    if math.isnan(quality):  # a generator that can't tell
        quality = -math.inf
    return -quality, candidate.sample_index, candidate.id
