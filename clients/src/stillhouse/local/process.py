"""A child process: started with its own log, started again if it dies, stopped politely."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from stillhouse.errors import FailedPrecondition
from stillhouse.local.guard import guard

_MAX_RESTARTS = 5


class ChildProcess:
    """A command that shall run until `stop`.

    It runs in a session of its own, so that Ctrl-C in the terminal reaches only the
    parent, which then stops its children in order. A parent that is killed takes them along
    by its guard.
    """

    def __init__(
        self, name: str, command: Sequence[str], environment: Mapping[str, str], log: Path
    ) -> None:
        self.name = name
        self.log = log
        self._command = list(command)
        self._environment = {**os.environ, **environment}
        self._restarts = 0
        self._cleared = False
        self._process = self._start()

    @property
    def pid(self) -> int:
        """Process id of the current incarnation."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """False once the process has ended."""
        return self._poll() is None

    def check_succeeded(self) -> None:
        """FailedPrecondition unless the process ended with code 0."""
        code = self._process.wait()
        self._clear()
        if code:
            raise FailedPrecondition(self._epitaph(code))

    def revive(self) -> None:
        """Start the process again if it died; FailedPrecondition after five deaths.

        A process that refused its input (exit code 2) is not started again.
        """
        code = self._poll()
        if code is None:
            return
        if code == 2 or self._restarts == _MAX_RESTARTS:
            raise FailedPrecondition(self._epitaph(code))
        self._restarts += 1
        self._process = self._start()

    def stop(self, grace: float) -> None:
        """SIGTERM, SIGKILL after `grace` seconds, and SIGKILL to what it leaves of its group."""
        if self._process.poll() is None:
            self._process.terminate()
        try:
            self._process.wait(grace)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._clear()

    def _poll(self) -> int | None:
        """Its exit code, None while it runs."""
        code = self._process.poll()
        if code is not None:
            self._clear()
        return code

    def _clear(self) -> None:
        """Once it has ended: end its children too. Once only: its number may become another's."""
        if self._cleared:
            return
        self._cleared = True
        with suppress(ProcessLookupError, PermissionError):  # it left none
            os.killpg(self.pid, signal.SIGKILL)
        guard().forget(self.pid)

    def _start(self) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                self._command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._cleared = False
        guard().watch(process.pid)
        return process

    def _epitaph(self, code: int) -> str:
        lines = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        for line in reversed(lines):
            if line.startswith("error: "):
                return f"{self.name}: {line.removeprefix('error: ')}"
        return f"{self.name} ended with code {code}; its log is {self.log}"


def stop_all(children: Sequence[ChildProcess], grace: float) -> None:
    """Stop children in order; all share the `grace` seconds."""
    end = time.monotonic() + grace
    for child in children:
        child.stop(max(0.5, end - time.monotonic()))
