"""The plots of a report, as PNG.

matplotlib is an extra: a deployment without it writes reports without plots.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from services.trainer.comparison import Row
from services.trainer.evaluation import METRICS
from services.trainer.files import RunFolder, read_table, write_bytes
from services.trainer.quality_table import Measured
from services.trainer.systems import BASELINES, COPY, TEACHER, student_name
from stillhouse.recipe import Recipe
from stillhouse.trainer.types import GenerationProgress

_MISSING = "No plots: matplotlib is not installed (`stillhouse-services[plot]`).\n"
_SHOWN = (
    "rouge_1", "rouge_2", "rouge_l", "rouge_l_cut",
    "novel_2", "pmi", "independent_pmi", "passed",
)  # fmt: skip
_COLUMNS = 4
_TEACHER, _STUDENT, _RIVAL = "#333333", "#1f6fb4", "#c8641e"
_BASELINE, _REFERENCE, _ASKED = "#999999", "#3b7a3b", "#dce8f3"


def write(
    folder: RunFolder,
    recipe: Recipe,
    generations: Sequence[GenerationProgress],
    rows: Sequence[Row],
    sets: Sequence[Measured] = (),
) -> str:
    """Write all plots of a run beside its report; returns the Markdown that shows them."""
    try:
        import matplotlib  # noqa: F401, PLC0415  (an extra)
    except ImportError:
        return _MISSING
    alone = [row for row in rows if not row.versus]
    tables = {row.system: read_table(folder.evaluation(row.system)) for row in alone}
    control = folder.control
    drawn = {
        "funnel": ("Pass rate of each layer", funnel(generations) if generations else None),
        "quality": ("Quality of the accepted samples", quality(sets) if sets else None),
        "metrics": ("Means with 95 % intervals", metrics(alone, recipe) if alone else None),
        "lengths": ("Lengths", lengths(tables, recipe) if tables else None),
        "control": (
            "Asked and obtained", asked(read_table(control)) if control.exists() else None,
        ),
    }  # fmt: skip
    shown = []
    for name, (title, figure) in drawn.items():
        if figure is not None:
            path = folder.plot(name)
            write_bytes(path, png(figure))
            shown += [f"![{title}]({path.relative_to(folder.path)})", ""]
    return "\n".join(shown)


def funnel(generations: Sequence[GenerationProgress]) -> Any:
    """The share of candidates that each layer passed: a group of bars per layer."""
    names = list(dict.fromkeys(layer.name for one in generations for layer in one.layers))
    labels = [*names, "all"]
    width = 0.8 / len(generations)
    figure, axes = _figure(7.5, 0.6 + len(labels) * (0.22 + 0.18 * len(generations)))
    for place, one in enumerate(generations):
        rates = {layer.name: _share(layer.passed, layer.seen) for layer in one.layers}
        rates["all"] = _share(one.accepted, one.judged)
        values = [rates.get(name, math.nan) for name in labels]
        at = np.arange(len(labels)) + (place - (len(generations) - 1) / 2) * width
        colour = _shade(place, len(generations))
        bars = axes.barh(
            at, values, width * 0.9, color=colour, label=f"generation {one.generation}"
        )
        told = ["" if math.isnan(value) else f"{100 * value:.1f} %" for value in values]
        axes.bar_label(bars, told, padding=3, fontsize=8)
    axes.set_yticks(range(len(labels)), labels)
    axes.axhline(len(names) - 0.5, color="0.8", linewidth=0.8)
    axes.invert_yaxis()
    axes.set_xlim(0, 1.12)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "25 %", "50 %", "75 %", "100 %"])
    axes.set_xlabel("passed, of those that the layer saw")
    if len(generations) > 1:
        axes.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return figure


def quality(sets: Sequence[Measured]) -> Any:
    """A panel a figure, a bar a set."""
    from matplotlib.figure import Figure  # noqa: PLC0415

    names = list(sets[0].figures)
    lines = -(-len(names) // _COLUMNS)
    figure = Figure(figsize=(3 * _COLUMNS, lines * (0.8 + 0.28 * len(sets))), layout="constrained")
    panels = figure.subplots(lines, _COLUMNS, sharey=True, squeeze=False).flatten()
    colours = [_shade(place, len(sets)) for place in range(len(sets))]
    for axes, name in zip(panels, names, strict=False):
        axes.barh([one.name for one in sets], [one.figures[name] for one in sets], color=colours)
        axes.set_title(name.replace("_", "-"), fontsize=9)
        axes.tick_params(labelsize=8)
        _plain(axes)
    panels[0].invert_yaxis()  # shared by all
    for axes in panels[len(names) :]:
        axes.set_visible(False)
    return figure


def metrics(rows: Sequence[Row], recipe: Recipe) -> Any:
    """A panel a metric, a point with its interval a system."""
    from matplotlib.figure import Figure  # noqa: PLC0415

    titles = {one.name: one.title for one in METRICS}
    shown = [name for name in _SHOWN if any(row.intervals[name].n for row in rows)]
    columns = min(_COLUMNS, len(shown))
    lines = -(-len(shown) // columns)
    figure = Figure(
        figsize=(1.6 + 2.4 * columns, lines * (0.7 + 0.24 * len(rows))), layout="constrained"
    )
    panels = figure.subplots(lines, columns, sharey=True, squeeze=False).flatten()
    for axes, name in zip(panels, shown, strict=False):
        for place, row in enumerate(rows):
            value = row.intervals[name]
            if value.n:
                error = [[value.mean - value.low], [value.high - value.mean]]
                colour = _colour(row.system, recipe)
                axes.errorbar(value.mean, place, xerr=error, fmt="o", color=colour, markersize=4)
        axes.set_title(titles[name], fontsize=9)
        axes.set_yticks(range(len(rows)), [row.system for row in rows], fontsize=8)
        axes.tick_params(axis="x", labelsize=7)
        axes.set_ylim(len(rows) - 0.5, -0.5)
        _plain(axes)
    for axes in panels[len(shown) :]:
        axes.set_visible(False)
    return figure


def lengths(tables: Mapping[str, pa.Table], recipe: Recipe) -> Any:
    """How long the texts of each system are, beside the references; copy is as its documents."""
    texts = {name: table["words"].to_pylist() for name, table in tables.items() if name != COPY}
    first = next(iter(tables.values()))
    references = [len(one.split()) for one in first["reference"].to_pylist() if one]
    if references:
        texts["reference"] = references
    figure, axes = _figure(7.5, 0.8 + 0.3 * len(texts))
    colours = [_REFERENCE if n == "reference" else _colour(n, recipe) for n in texts]
    _boxes(axes, list(texts.values()), range(1, len(texts) + 1), 0.6, colours)
    axes.set_yticks(range(1, len(texts) + 1), list(texts))
    axes.invert_yaxis()
    axes.set_xlim(left=0)
    axes.set_xlabel("words")
    return figure


def asked(control: pa.Table) -> Any:
    """Per kind of control and bucket asked for, what was obtained, over the range asked.

    `control` is a table of `services.trainer.obtained`.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415

    kinds: dict[str, list[dict[str, Any]]] = {}
    for row in control.to_pylist():
        kinds.setdefault(row["kind"], []).append(row)
    tallest = max(_asked_height(rows) for rows in kinds.values())
    figure = Figure(figsize=(1.5 + 4.2 * len(kinds), tallest), layout="constrained")
    panels = figure.subplots(1, len(kinds), squeeze=False).flatten()
    for axes, (kind, rows) in zip(panels, kinds.items(), strict=True):
        _asked_panel(axes, kind, rows)
    panels[-1].legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return figure


def _asked_height(rows: Sequence[Mapping[str, Any]]) -> float:
    systems = len({row["system"] for row in rows})
    return 0.9 + len({row["asked"] for row in rows}) * (0.2 + 0.2 * systems)


def _asked_panel(axes: Any, kind: str, rows: Sequence[Mapping[str, Any]]) -> None:
    names = list(dict.fromkeys(row["system"] for row in rows))
    bounds = {row["asked"]: (row["asked_low"], row["asked_high"]) for row in rows}
    buckets = sorted(bounds)
    highest = 1.05 * max([row["obtained"] for row in rows] + [low for low, _ in bounds.values()])
    width = 0.8 / len(names)
    for bucket, (low, high) in bounds.items():
        axes.barh(bucket, min(high, highest) - low, 0.9, left=low, color=_ASKED, zorder=0)
    for place, name in enumerate(names):
        colour = _shade(place, len(names))
        found = [
            [row["obtained"] for row in rows if (row["asked"], row["system"]) == (bucket, name)]
            for bucket in buckets
        ]
        at = [bucket + (place - (len(names) - 1) / 2) * width for bucket in buckets]
        _boxes(axes, found, at, width * 0.7, [colour] * len(buckets))
        axes.plot([], [], color=colour, linewidth=6, label=name)
    axes.plot([], [], color=_ASKED, linewidth=6, label="asked")
    axes.set_yticks(buckets, [_range(*bounds[bucket]) for bucket in buckets], fontsize=8)
    axes.set_title(kind, fontsize=9)
    axes.set_ylabel("asked")
    axes.set_xlabel("obtained")
    axes.set_xlim(0, highest)
    _plain(axes)


def _figure(width: float, height: float) -> tuple[Any, Any]:
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots()
    _plain(axes)
    return figure, axes


def _boxes(
    axes: Any,
    values: Sequence[Sequence[float]],
    places: Sequence[float],
    width: float,
    colours: Sequence[Any],
) -> None:
    """Quartiles as boxes, the median white; a box without width keeps its edge visible."""
    drawn = axes.boxplot(
        values, positions=places, orientation="horizontal", widths=width, patch_artist=True,
        flierprops={"markersize": 2.5, "markeredgecolor": "0.5"},
        medianprops={"color": "white", "linewidth": 1.5},
    )  # fmt: skip
    for box, median, colour in zip(drawn["boxes"], drawn["medians"], colours, strict=True):
        box.set(facecolor=colour, edgecolor=colour, linewidth=2)
        median.set_visible(bool(np.ptp(box.get_path().vertices[:, 0])))


def _range(low: float, high: float) -> str:
    return f"{low:g} and more" if math.isinf(high) else f"{low:g} to {high:g}"


def _plain(axes: Any) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="x", color="0.9", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(axis="y", length=0)


def png(figure: Any) -> bytes:
    """The figure, by the Agg renderer: the same bytes for the same figure and version."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415

    FigureCanvasAgg(figure)
    with io.BytesIO() as target:
        figure.savefig(target, format="png", dpi=130)
        return target.getvalue()


def _colour(system: str, recipe: Recipe) -> str:
    if system == TEACHER:
        return _TEACHER
    if system in BASELINES:
        return _BASELINE
    ours = {student_name(number) for number in range(1, recipe.generations + 1)}
    return _STUDENT if system in ours else _RIVAL


def _shade(place: int, count: int) -> tuple[float, float, float]:
    """From light to dark blue."""
    share = place / (count - 1) if count > 1 else 1.0
    light, dark = np.array([0.62, 0.78, 0.90]), np.array([0.07, 0.30, 0.55])
    red, green, blue = light + share * (dark - light)
    return float(red), float(green), float(blue)


def _share(part: int, whole: int) -> float:
    return part / whole if whole else math.nan
