"""Diversity: of the near-duplicates about one source only the best stays.

Algorithm 1 of Impossible Distillation (arXiv 2305.16635v4, section 3.2): an edge between
two candidates that say the same, connected components, the best of each component. Edges
are the Jaccard similarity of content words in place of entailment. At most `keep` of the
survivors stay, the best first. Near-duplicates across sources are the trainer's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from services.filter.layers.base import Case, Layer, Scores, threshold
from services.filter.words import content_words

QUALITY = "faithfulness.pmi"
"""The score by which the best is chosen; without it, the candidate's mean log-probability."""


@dataclass(frozen=True, slots=True)
class DiversityThresholds:
    """When two candidates say the same, and how many a source may keep."""

    similarity: float = threshold(
        0.5, "Two candidates are near-duplicates from this Jaccard similarity of words on."
    )
    keep: float = threshold(2, "Most candidates that a source keeps.")


class Diversity(Layer[DiversityThresholds]):
    """Keeps the best of each group of near-duplicates, and few of each source."""

    name = "diversity"
    scores = ("rank", "duplicate")
    relative = True
    Thresholds = DiversityThresholds

    def measure_all(self, cases: Sequence[Case]) -> list[Scores]:
        """`rank` of a candidate's component in its source, from 1, by the best of each;
        `duplicate` is 1 unless the candidate is that best.

        Candidates that an earlier layer rejected take no part and get no scores.
        """
        scores: list[Scores] = [{} for _ in cases]
        sources: dict[str, list[int]] = {}
        for position, case in enumerate(cases):
            if case.alive:
                sources.setdefault(case.pair.document.id, []).append(position)
        for positions in sources.values():
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
        said = [frozenset(content_words(cases[p].pair.summary)) for p in ordered]
        tau = self.thresholds.similarity
        groups = components(len(ordered), lambda a, b: jaccard(said[a], said[b]) >= tau)
        return [[ordered[place] for place in group] for group in groups]


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
    quality = case.earlier.get(QUALITY, candidate.logprob / max(1, candidate.tokens))
    if math.isnan(quality):  # a generator that can't tell
        quality = -math.inf
    return -quality, candidate.sample_index, candidate.id
