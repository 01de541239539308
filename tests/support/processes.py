"""Whether a process is still there."""

from __future__ import annotations

import time
from pathlib import Path


def runs(pid: int) -> bool:
    """False once the process is gone, or a zombie that nobody waits for."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().split()[2]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def eventually_gone(pids: list[int]) -> None:
    """Fails if one of them still runs after 30 s."""
    last = time.monotonic() + 30
    while any(map(runs, pids)):
        assert time.monotonic() < last, f"still there: {[pid for pid in pids if runs(pid)]}"
        time.sleep(0.05)
