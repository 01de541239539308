"""Ends child processes whose parent was killed, by SIGKILL or for want of memory.

A process of its own, this file run as a script: it reads `+PID` and `-PID` from its standard
input, whose end is the parent's. What is still on the list then is asked to stop, and killed
if it does not. Only the standard library is used, so that it starts fast and stays small.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from typing import IO

_GRACE = 10.0  # seconds between SIGTERM and SIGKILL


class Guard:
    """The parent's side of it."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-IS", __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
            bufsize=0,
        )

    def watch(self, pid: int) -> None:
        """End this process, the first of its session, when the parent is gone."""
        self._tell(f"+{pid}\n")

    def forget(self, pid: int) -> None:
        """It has ended; its number may become another's."""
        self._tell(f"-{pid}\n")

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # without its guard all else works as before
            self._process.stdin.write(line.encode())


@cache
def guard() -> Guard:
    """The one guard of this process, started when it is first asked for."""
    return Guard()


def listed(lines: Iterable[str]) -> set[int]:
    """The processes that are still watched after all of `lines`."""
    pids: set[int] = set()
    for line in lines:
        change = pids.add if line[0] == "+" else pids.discard
        change(int(line[1:]))
    return pids


def end(pids: Iterable[int], grace: float) -> None:
    """SIGTERM to their sessions, and SIGKILL to those that are there after `grace` seconds."""
    last = time.monotonic() + grace
    left = [pid for pid in pids if _signalled(pid, signal.SIGTERM)]
    while left and time.monotonic() < last:
        time.sleep(0.1)
        left = [pid for pid in left if _signalled(pid, 0)]
    for pid in left:
        _signalled(pid, signal.SIGKILL)


def _signalled(pid: int, number: int) -> bool:
    try:
        os.killpg(pid, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def main(lines: IO[str]) -> None:
    """Wait for the parent's end."""
    end(listed(lines), _GRACE)


if __name__ == "__main__":
    main(sys.stdin)
