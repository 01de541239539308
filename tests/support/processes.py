"""Whether a process is still there."""

from __future__ import annotations

from pathlib import Path


def runs(pid: int) -> bool:
    """False once the process is gone, or a zombie that nobody waits for."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().split()[2]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"
