"""The page of a calibration."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from services.experiments.calibrate import Cut, Probe, aucs
from services.experiments.measured import measured_on
from stillhouse.recipe import Recipe


def markdown(
    recipe: Recipe, digest: str, probes: Sequence[Probe], chosen: Sequence[Cut], yaml: str
) -> str:
    """What was made, what tells it apart, where to cut, and what to put into the recipe."""
    kinds = Counter((probe.true, probe.kind) for probe in probes)
    made = ", ".join(f"{count} {kind}" for (true, kind), count in kinds.items() if true)
    spoilt = ", ".join(f"{count} {kind}" for (true, kind), count in kinds.items() if not true)
    documents = len({probe.document.id for probe in probes})
    columns = [kind for true, kind in kinds if not true]
    lines = [
        f"# Calibration of {recipe.name}",
        "",
        f"{measured_on()}. Critic `{recipe.teacher.model}`, digest `{digest[:16]}`; "
        f"{documents} documents, seed {recipe.seed}. No reference and no label was read.",
        "",
        f"- Positives: {made}.",
        f"- Negatives: {spoilt}.",
        "",
        "## AUC by kind of negative",
        "",
        "0.5 tells nothing apart; below it, lower is better.",
        "",
        f"| score | {' | '.join(columns)} |",
        f"| --- |{' ---: |' * len(columns)}",
    ]
    for name, row in aucs(probes).items():
        cells = ("-" if math.isnan(row[kind]) else f"{row[kind]:.2f}" for kind in columns)
        lines.append(f"| {name} | {' | '.join(cells)} |")
    lines += [
        "",
        "## Thresholds, each by itself",
        "",
        "| threshold | rejects | value | negatives that pass | positives that pass |",
        "| --- | --- | ---: | ---: | ---: |",
    ]
    lines += [
        f"| {cut.layer}.{cut.threshold} | {'below' if cut.lower else 'above'} | {cut.value} | "
        f"{cut.false_accepts:.1%} | {cut.accepts:.1%} |"
        for cut in chosen
        if cut.accepts
    ]
    nothing = [f"{cut.layer}.{cut.threshold}" for cut in chosen if not cut.accepts]
    if nothing:
        lines += ["", f"At that rate no positive would pass a threshold of {', '.join(nothing)}."]
    lines += [
        "",
        "A threshold that lets fewer than half of the positives pass can't tell these negatives "
        "from them and stays at its default. All of them together reject more than each.",
        "",
        "```yaml",
        yaml.rstrip(),
        "```",
    ]
    return "\n".join(lines) + "\n"
