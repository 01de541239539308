"""Agreement as a page of Markdown, and as a plot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from services.experiments.agreement import Flags, Foretold, buckets, share
from services.experiments.perplexity import Interval
from stillhouse.errors import FailedPrecondition

_FEWEST = 20  # tokens behind a point of the plot, and behind an interval by suffix length
_KINDS = (("not sparse", False), ("sparse", True))


@dataclass(frozen=True, slots=True)
class Setting:
    """What the figures hang on."""

    title: str
    about: str
    resamples: int
    seed: int


def markdown(setting: Setting, texts: Mapping[str, Foretold]) -> str:
    """The page: every kind of text as a whole, and by suffix length. No text may be empty."""
    lines = [
        f"# {setting.title}", "", setting.about, "",
        "| text | tokens | a suffix occurs | mean suffix | agreement | more than half "
        "| sparse | agreement, sparse | agreement, not sparse |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
        *(_whole(name, one, setting) for name, one in texts.items()),
    ]  # fmt: skip
    for name, sparse in _KINDS:
        lines += ["", f"## By suffix length, {name}", "", f"| suffix | {' | '.join(texts)} |",
                  f"| --- |{' ---: |' * len(texts)}"]  # fmt: skip
        for bucket in buckets():
            cells = []
            for one in texts.values():
                chosen = bucket.holds(one) & (one.sparse == sparse)
                found = _share(one.agrees, chosen, one, setting)
                shown = _shown(found) if chosen.sum() >= _FEWEST else f"{found.value:.1%}"
                cells.append(f"{shown} of {chosen.sum():,}" if chosen.any() else "")
            lines.append(f"| {bucket} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _whole(name: str, one: Foretold, setting: Setting) -> str:
    defined = one.lengths > 0
    cells = [
        f"{len(one):,}", f"{defined.mean():.1%}", f"{one.lengths.mean():.1f}",
        _shown(_share(one.agrees, defined, one, setting)),
        _shown(_share(one.likely, defined, one, setting)),
        f"{(one.sparse & defined).sum() / max(1, defined.sum()):.1%}",
        _shown(_share(one.agrees, defined & one.sparse, one, setting)),
        _shown(_share(one.agrees, defined & ~one.sparse, one, setting)),
    ]  # fmt: skip
    return f"| {name} | {' | '.join(cells)} |"


def _share(hits: Flags, chosen: Flags, one: Foretold, setting: Setting) -> Interval:
    return share(hits, chosen, one.documents, resamples=setting.resamples, seed=setting.seed)


def _shown(one: Interval) -> str:
    return "" if np.isnan(one.value) else f"{one.value:.1%} [{one.low:.1%}, {one.high:.1%}]"


def plot(setting: Setting, texts: Mapping[str, Foretold], path: Path) -> None:
    """Agreement, and below it the share of tokens, by suffix length, as PNG; the first text black.

    FailedPrecondition without matplotlib.
    """
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415  (an extra)
    except ImportError:
        raise FailedPrecondition(
            "a plot needs matplotlib; pip install 'stillhouse-services[plot]', or leave --plot out"
        ) from None
    names = [str(one) for one in buckets()]
    figure = Figure(figsize=(11, 6.5), layout="constrained")
    axes = figure.subplots(2, 2, sharex=True, sharey="row", height_ratios=(2, 1))
    for column, (kind, sparse) in enumerate(_KINDS):
        upper, lower = axes[:, column]
        for number, (name, one) in enumerate(texts.items()):
            chosen = [bucket.holds(one) & (one.sparse == sparse) for bucket in buckets()]
            sizes = np.array([tokens.sum() for tokens in chosen])
            found = [_share(one.agrees, tokens, one, setting) for tokens in chosen]
            enough = sizes >= _FEWEST
            colour = f"C{number - 1}" if number else "black"
            style = {"color": colour, "marker": "o", "markersize": 4, "label": name}
            at = np.arange(len(names))[enough]
            values, lows, highs = (
                np.array([getattr(two, end) for two in found])[enough]
                for end in ("value", "low", "high")
            )
            upper.plot(at, values, **style)
            upper.fill_between(at, lows, highs, color=colour, alpha=0.12, linewidth=0)
            lower.plot(np.arange(len(names)), sizes / len(one), **style)
        upper.set_title(f"{kind} estimates")
        upper.grid(alpha=0.3)
        lower.grid(alpha=0.3)
        lower.set_xticks(range(len(names)), names)
        lower.set_xlabel("tokens of the longest suffix that occurs")
    axes[0, 0].set_ylabel("agreement with the text")
    axes[0, 0].set_ylim(0, 1.02)
    axes[1, 0].set_ylabel("share of all tokens")
    axes[0, 0].legend(fontsize=9)
    figure.savefig(path, format="png", dpi=120)
