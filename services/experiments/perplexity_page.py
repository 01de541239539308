"""Perplexities as a page of Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.experiments.interpolation import Floats, Grouped, by_sparsity
from services.experiments.perplexity import (
    MODEL,
    PUBLISHED,
    Gain,
    Interval,
    TextSet,
    alone,
    gains,
    long_shares,
)


@dataclass(frozen=True, slots=True)
class Setting:
    """What the figures hang on."""

    title: str
    about: str
    long_match: int
    resamples: int
    seed: int


def markdown(
    setting: Setting, validation: TextSet, test: TextSet, found: Mapping[str, Floats], dropped: int
) -> str:
    """The page: all systems, the infinity-gram alone, domains, verbatim matches."""
    everything = _gains(found, test, np.ones(len(test.positions), np.bool_), setting)
    best = min(everything, key=lambda name: everything[name].perplexity.value)
    chosen = {name: found[name] for name in dict.fromkeys((MODEL, PUBLISHED, best))}
    weights = Grouped.fit(validation.positions, by_sparsity).table
    lines = [
        f"# {setting.title}", "", setting.about, "",
        f"{len(test.positions):,} tokens in {len(test.domains)} test documents; weights chosen on "
        f"{len(validation.positions):,} tokens in {len(validation.domains)} validation documents; "
        f"two weights: sparse {weights[1]:.3f}, others {weights[0]:.3f}.", "",
        "| | perplexity | below the model alone by |", "| --- | ---: | ---: |",
        *(_row(name, gain) for name, gain in everything.items()),
        *_alone(test), *_domains(test, chosen, setting), *_matches(test, setting, dropped),
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def _gains(
    found: Mapping[str, Floats], test: TextSet, chosen: NDArray[np.bool_], setting: Setting
) -> dict[str, Gain]:
    taken = {name: values[chosen] for name, values in found.items()}
    return gains(taken, test.documents[chosen], resamples=setting.resamples, seed=setting.seed)


def _row(name: str, gain: Gain) -> str:
    return f"| {name} | {_figure(gain.perplexity)} | {_share(gain.gain) if name != MODEL else ''} |"


def _figure(one: Interval) -> str:
    return f"{one.value:.2f} [{one.low:.2f}, {one.high:.2f}]"


def _share(one: Interval) -> str:
    return f"{one.value:.1%} [{one.low:.1%}, {one.high:.1%}]"


def _alone(test: TextSet) -> list[str]:
    lines = ["", "## The infinity-gram alone", "",
             "| estimates | tokens | a suffix occurs | token seen behind it | its perplexity there "
             "| the model's there |", "| --- | ---: | ---: | ---: | ---: | ---: |"]  # fmt: skip
    sparse = test.positions.sparse
    for name, chosen in (("all", sparse | ~sparse), ("sparse", sparse), ("not sparse", ~sparse)):
        if not chosen.any():
            continue
        one = alone(test.positions.take(chosen))
        lines.append(f"| {name} | {int(chosen.sum()):,} | {one.coverage:.1%} | {one.possible:.1%} "
                     f"| {one.ngram:.2f} | {one.model:.2f} |")  # fmt: skip
    return lines


def _domains(test: TextSet, chosen: Mapping[str, Floats], setting: Setting) -> list[str]:
    names = [name for name in chosen if name != MODEL]
    lines = ["", "## By domain", "",
             f"| domain | documents | tokens | {MODEL} | {' | '.join(names)} |",
             f"| --- | ---: | ---: | ---: |{' ---: |' * len(names)}"]  # fmt: skip
    for domain in sorted(set(test.domains)):
        tokens = test.of_domain(domain)
        if not tokens.any():
            continue
        found = _gains(chosen, test, tokens, setting)
        documents = test.domains.count(domain)
        # One document drawn again and again has no interval.
        shown = _share if documents > 1 else lambda gain: f"{gain.value:.1%}"
        cells = [f"{found[n].perplexity.value:.2f}, {shown(found[n].gain)}" for n in names]
        lines.append(f"| {domain or '-'} | {documents} | {int(tokens.sum()):,} "
                     f"| {found[MODEL].perplexity.value:.2f} | {' | '.join(cells)} |")  # fmt: skip
    return lines


def _matches(test: TextSet, setting: Setting, dropped: int) -> list[str]:
    shares = long_shares(test)
    least = [f"{(shares > limit).sum()} over {limit:.0%}" for limit in (0.1, 0.5, 0.8)]
    return [
        "", "## Verbatim matches with the corpus", "",
        f"{test.long.mean():.1%} of the test tokens lie inside matches of {setting.long_match} "
        f"tokens or more; of {len(shares)} documents {', '.join(least)}; {dropped} were dropped.",
    ]  # fmt: skip
