"""When a run ends before its last generation, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from stillhouse.recipe import Stop
from stillhouse.trainer.types import Diversity, GenerationProgress


@dataclass(frozen=True, slots=True)
class Decision:
    """The run ends, for this reason; `trains` says whether the samples train a last student."""

    reason: str
    trains: bool


def decide(generations: Sequence[GenerationProgress], rules: Stop) -> Decision | None:
    """Whether the last of `generations`, just collected, is the run's last.

    generations: all so far, in order. None: it goes on.
    """
    if len(generations) < 2:
        return None
    before, last = generations[-2:]
    if rules.diversity is not None and last.diversity is not None:
        collapsed = _collapsed(last.diversity, rules.diversity)
        if collapsed:
            return Decision(f"generation {last.generation} is not diverse: {collapsed}", False)
    if rules.pass_rate is not None and last.pass_rate - before.pass_rate <= rules.pass_rate:
        return Decision(
            f"the pass rate no longer rises: {100 * last.pass_rate:.2f} % in generation "
            f"{last.generation} after {100 * before.pass_rate:.2f} %, a gain of more than "
            f"{100 * rules.pass_rate:g} points is asked for",
            True,
        )
    return None


def exhausted(documents: int, generation: int) -> Decision:
    """The end where `generation` finds no document that none before it has read."""
    reason = f"generation {generation} finds no fresh documents: all {documents} are used"
    return Decision(reason, False)


def _collapsed(found: Diversity, bar: float) -> str:
    """The first figure below its bar; one that is NaN is below none."""
    for name, now, first in (
        ("distinct-2", found.distinct_2, found.first_distinct_2),
        ("MSTTR", found.msttr, found.first_msttr),
    ):
        if now < bar * first:
            return (
                f"its {name} of {now:.3f} is {100 * now / first:.1f} % of the first generation's "
                f"{first:.3f} ({found.samples} samples of each), {100 * bar:g} % are asked for"
            )
    return ""
