"""RESULTS.md: what was measured, beside what must be reached."""

from __future__ import annotations

import datetime
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench.engine.report import machine
from bench.rpc.load import BATCH, DOCUMENT, Rate
from bench.rpc.memory import Growth, Sharing

_NOTES = "\n## Notes\n"
_MEMORY = "| memory"
_MIB = 2**20


@dataclass(frozen=True, slots=True)
class Line:
    """A row of the table."""

    what: str
    target: str
    value: str
    reached: bool | None = None


def write(file: Path, found: dict[str, list[Rate]], shared: Sequence[Sharing], about: str) -> None:
    """Replaces all but the row of memory and the notes, which are written by hand."""
    text = file.read_text() if file.exists() else ""
    kept = [line for line in text.splitlines() if line.startswith(_MEMORY)]
    rows = [_row(line) for line in [*_rates(found), *_sharing(shared)]]
    head = f"""# The index service beside an empty handler and its peer

{about}; {_where()}; clients and servers share the processors.
5-grams from the corpus (seeds: the client processes' numbers), index preloaded. Medians over the
rounds, which alternate.

| what | must reach | measured | |
| --- | --- | ---: | --- |
"""
    file.write_text(head + "\n".join([*rows, *kept]) + "\n" + _NOTES + text.partition(_NOTES)[2])


def write_memory(file: Path, grown: Growth) -> None:
    """Replaces the row of memory alone."""
    lines = [one for one in file.read_text().splitlines() if not one.startswith(_MEMORY)]
    last = max(number for number, line in enumerate(lines) if line.startswith("| "))
    lines.insert(last + 1, _row(_memory(grown)))
    file.write_text("\n".join(lines) + "\n")


def _where() -> str:
    described = subprocess.run(
        ["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False
    )
    today = datetime.datetime.now(datetime.UTC)
    return f"{today:%Y-%m-%d}; commit {described.stdout.strip()}; {machine()}"


def _row(line: Line) -> str:
    verdict = "" if line.reached is None else "yes" if line.reached else "**no**"
    return f"| {line.what} | {line.target or '-'} | {line.value} | {verdict} |"


def _rates(found: dict[str, list[Rate]]) -> list[Line]:
    calls = {name: median(one.calls for one in rounds) for name, rounds in found.items()}
    waits = {name: median(one.median for one in rounds) for name, rounds in found.items()}
    cpu = {name: median(one.cpu for one in rounds) for name, rounds in found.items()}
    # Of the same round: what slows one slows the other.
    share = median(
        ours.calls / theirs.calls
        for ours, theirs in zip(found["count"], found["empty"], strict=True)
    )
    ngrams, scored = calls["batch"] * BATCH, calls["score"] * DOCUMENT
    lines = [
        Line("empty handler, 32 calls at once", "", _each(calls["empty"], cpu["empty"])),
        Line("Count, 32 calls at once", "", _each(calls["count"], cpu["count"])),
        Line("Count, share of the empty handler", "90 %", f"{share:.0%}", share >= 0.9),
        Line(f"CountBatch of {BATCH}, n-grams/s", "300,000", f"{ngrams:,.0f}", ngrams >= 300_000),
        Line(f"ScoreText of {DOCUMENT}, tokens/s", "", f"{scored:,.0f}"),
        Line("Count, one call at a time, p50", "", f"{waits['one']:.3f} ms"),
    ]
    for kind in ("forks", "threads"):
        if (name := f"peer, {kind}") in waits:
            times = waits[name] / waits["one"]
            goal, reached = ("3 times ours", times >= 3) if kind == "forks" else ("", None)
            value = f"{waits[name]:.3f} ms, {times:.1f} times ours"
            what = f"infini-gram 2.6.0 behind Flask ({kind}), count, p50"
            lines.append(Line(what, goal, value, reached))
    return lines


def _each(calls: float, cpu: float) -> str:
    return f"{calls:,.0f} calls/s, {cpu:.0f} us of the server's processor time a call"


def _sharing(shared: Sequence[Sharing]) -> list[Line]:
    return [
        Line(
            f"--processes {one.processes}, mapped",
            "",
            f"{one.calls:,.0f} calls/s, {one.resident / _MIB:.0f} MiB resident, "
            f"{one.proportional / _MIB:.0f} MiB with what is shared counted once",
        )
        for one in shared
    ]


def _memory(grown: Growth) -> Line:
    return Line(
        f"memory over {grown.minutes:.0f} minutes of load",
        "flat",
        f"{grown.first / _MIB:.1f} MiB after a tenth of it, {grown.last / _MIB:.1f} MiB at the "
        f"end, {grown.slope / _MIB:+.2f} MiB a minute, {grown.calls:,} calls",
        abs(grown.last - grown.first) < 0.02 * grown.first,
    )
