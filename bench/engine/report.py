"""The table of results with machine and date."""

import datetime
import platform
from pathlib import Path

from bench.engine.measure import Row


def machine() -> str:
    """Processor, memory, kernel."""
    info = Path("/proc/cpuinfo").read_text()
    model = next(x.split(":")[1].strip() for x in info.splitlines() if "model name" in x)
    cores = info.count("processor\t:")
    memory = int(Path("/proc/meminfo").read_text().split()[1]) / 2**20
    return f"{model}, {cores} cores, {memory:.0f} GiB, Linux {platform.release().split('-')[0]}"


def number(value: float | None) -> str:
    """Three digits that matter."""
    return "-" if value is None else f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def ratio(row: Row, peer: float | None) -> str:
    """How many times as long the peer takes, or as large or slow it is."""
    if peer is None:
        return ""
    times = row.ours / peer if row.at_least else peer / row.ours
    return f" ({times:,.1f}x)" if times < 10 else f" ({times:,.0f}x)"


def table(rows: list[Row]) -> str:
    """Markdown; in brackets how many times our time a peer takes."""
    lines = [
        "| what | must reach | ours | rounds | | infini-gram 2.6.0 | fast-gram 0.1.0 |",
        "| --- | --- | ---: | ---: | --- | ---: | ---: |",
    ]
    for row in rows:
        limit = "-" if row.limit is None else f"{row.limit:g} {row.unit}".rstrip()
        verdict = {None: "", True: "yes", False: "**no**"}[row.reached]
        spread = "" if row.spread is None else " to ".join(map(number, row.spread))
        peers = [number(p) + ratio(row, p) for p in (row.infini_gram, row.fast_gram)]
        cells = [row.what, limit, number(row.ours), spread, verdict, *peers]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def write(file: Path, rows: list[Row], corpus: str, rounds: int, differences: list[str]) -> None:
    """Replaces everything above the notes, which are written by hand."""
    notes = "\n## Notes\n"
    if file.exists() and notes in file.read_text():
        notes = notes + file.read_text().split(notes, 1)[1]
    head = f"""# The engine beside its peers

`make bench-engine`, {datetime.datetime.now(datetime.UTC):%Y-%m-%d}; {machine()}.
{corpus}
Medians, microseconds where nothing else is said; of queries the median of {rounds} rounds and of
builds that of five, with the least and the largest of them; in brackets how many times worse than
ours.

"""
    found = "\n".join(f"- {line}" for line in differences)
    body = f"{table(rows)}\n\n## Same answers?\n\n{found}\n"
    file.write_text(head + body + notes)
