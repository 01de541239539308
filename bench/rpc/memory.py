"""Memory of the server: over minutes of load, and shared between processes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.rpc import load, servers
from bench.rpc.load import Load

_MIX = (Load("Count", 1, 16, 0), Load("CountBatch", 1, 2, 0), Load("ScoreText", 1, 2, 0))


@dataclass(frozen=True, slots=True)
class Growth:
    """Resident bytes of a server after warming up and at the end, and its slope a minute."""

    minutes: float
    first: int
    last: int
    slope: float
    calls: int


def growth(folder: Path, corpus: Path, minutes: float) -> Growth:
    """Load of all kinds in turn for some minutes; the first tenth warms up."""
    step = 5.0
    rounds = max(10, round(minutes * 60 / step))
    sizes: list[int] = []
    calls = 0.0
    with servers.index(folder) as server:
        for number in range(rounds):
            kind = _MIX[number % len(_MIX)]
            part = Load(kind.rpc, kind.processes, kind.calls, step)
            calls += load.run(part, server, corpus).calls * step
            sizes.append(server.resident())
    warm = sizes[rounds // 10 :]
    slope = float(np.polyfit(np.arange(len(warm)) * step / 60, warm, 1)[0])
    return Growth(rounds * step / 60, warm[0], warm[-1], slope, round(calls))


@dataclass(frozen=True, slots=True)
class Sharing:
    """Processes on one port: calls a second, their memory together, what is shared once."""

    processes: int
    calls: float
    resident: int
    proportional: int


def sharing(folder: Path, corpus: Path, processes: int, seconds: float) -> Sharing:
    """One server of so many processes over the mapped index, under load."""
    with servers.index(folder, processes, preload=False) as server:
        rate = load.run(Load("Count", 2, 16, seconds), server, corpus)
        return Sharing(processes, rate.calls, server.resident(), server.proportional())
