"""What a judge said of pairs of texts: its table, and what it comes to.

Judges prefer a place (Zheng et al. 2023, arXiv 2306.05685, section 3), so each pair is asked
in both orders, and only a preference that survives the exchange counts as a win.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa

from services.trainer.statistics import Interval, bootstrap
from stillhouse.recipe import Recipe

Answer = Literal["system", "versus", "tie", "unclear"]
Outcome = Literal["win", "loss", "tie", "disagreement", "unclear"]

OUTCOMES: tuple[Outcome, ...] = ("win", "tie", "loss", "disagreement", "unclear")
_VALUES = {"system": 1.0, "versus": -1.0, "tie": 0.0}

SCHEMA = pa.schema(
    [
        ("system", pa.string()),
        ("versus", pa.string()),
        ("source_id", pa.string()),
        ("key", pa.string()),
        ("first", pa.string()),
        ("second", pa.string()),
        ("outcome", pa.string()),
    ]
)
"""`first` is the Answer with the system's text in front, `second` with the other's in front;
`key` tells by which judge and of which texts.
"""


@dataclass(frozen=True, slots=True)
class Tally:
    """How often a system was preferred to another.

    `preference` is the mean over documents of +1, 0 or -1 in each order, 1 if always preferred;
    `front` is the share of decided answers that preferred the text in front: 0.5 without bias.
    """

    system: str
    versus: str
    counts: Counter[str]
    preference: Interval
    front: float


def outcome(first: Answer, second: Answer) -> Outcome:
    """What two answers in opposite orders come to."""
    if "unclear" in (first, second):
        return "unclear"
    if first != second:
        return "disagreement"
    found: dict[Answer, Outcome] = {"system": "win", "versus": "loss", "tie": "tie"}
    return found[first]


def tallies(table: pa.Table, recipe: Recipe) -> list[Tally]:
    """One for each pair of systems in a table of SCHEMA, in its order."""
    rows = table.to_pylist()
    pairs = list(dict.fromkeys((row["system"], row["versus"]) for row in rows))
    return [
        _tally(one, other, [r for r in rows if (r["system"], r["versus"]) == (one, other)], recipe)
        for one, other in pairs
    ]


def markdown(found: Sequence[Tally], recipe: Recipe) -> str:
    """A row a pair; empty where nobody judged."""
    judge = recipe.evaluation.judge
    if not found or judge is None:
        return ""
    lines = [
        "### Judged in pairs",
        "",
        f"By {f'`{judge.model}`' if judge.model else 'the model'} at a server of OpenAI's chat "
        "completions, each pair in both orders: a win or a loss is the same preference twice, "
        "where the orders disagree nobody wins. Preference is the mean of +1 and -1 over both "
        "orders, with its interval; front is the share of preferences for the text that stood "
        "in front, 0.5 without bias.",
        "",
        f"| pair | {' | '.join(OUTCOMES)} | preference | front |",
        f"| --- |{' ---: |' * (len(OUTCOMES) + 2)}",
    ]
    for one in found:
        counts = " | ".join(str(one.counts[name]) for name in OUTCOMES)
        value = one.preference
        told = f"{value.mean:+.2f} [{value.low:+.2f}, {value.high:+.2f}]" if value.n else "-"
        front = "-" if np.isnan(one.front) else f"{one.front:.2f}"
        lines.append(f"| {one.system} against {one.versus} | {counts} | {told} | {front} |")
    return "\n".join([*lines, ""])


def _tally(system: str, versus: str, rows: Sequence[dict[str, str]], recipe: Recipe) -> Tally:
    values = np.array(
        [
            np.mean([_VALUES[row["first"]], _VALUES[row["second"]]])
            if row["outcome"] != "unclear"
            else np.nan
            for row in rows
        ]
    )
    preference = bootstrap(values, resamples=recipe.evaluation.resamples, seed=recipe.seed)
    fronts = [row["first"] == "system" for row in rows if row["first"] in ("system", "versus")]
    fronts += [row["second"] == "versus" for row in rows if row["second"] in ("system", "versus")]
    front = float(np.mean(fronts)) if fronts else float("nan")
    return Tally(system, versus, Counter(row["outcome"] for row in rows), preference, front)
