"""The guard: real parents that are killed, and what becomes of their children."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from stillhouse.local.guard import end, listed
from tests.support.processes import eventually_gone, runs

_PARENT = """
import signal, sys
from pathlib import Path
from stillhouse.local.process import ChildProcess
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup, for one, has its children ignore it
code = "import signal; signal.pause()"
children = [ChildProcess(name, [sys.executable, "-Sc", code], {}, Path(name)) for name in "abc"]
children[2].stop(10)
print(*(child.pid for child in children), flush=True)
signal.pause()
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_children_of_a_killed_parent_are_ended(tmp_path: Path, number: int) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _PARENT], cwd=tmp_path, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        *there, stopped = [int(pid) for pid in parent.stdout.readline().split()]
        assert [runs(pid) for pid in (*there, stopped)] == [True, True, False]
        parent.send_signal(number)
    eventually_gone(there)


def test_a_process_that_does_not_listen_is_killed() -> None:
    code = "import signal; signal.signal(15, signal.SIG_IGN); print(1, flush=True); signal.pause()"
    with subprocess.Popen(
        [sys.executable, "-Sc", code], stdout=subprocess.PIPE, start_new_session=True
    ) as deaf:
        assert deaf.stdout is not None
        deaf.stdout.readline()
        end([deaf.pid], 0.2)
        assert deaf.wait() == -signal.SIGKILL


def test_what_has_ended_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    with subprocess.Popen([sys.executable, "-Sc", ""], start_new_session=True) as gone:
        gone.wait()
    monkeypatch.setattr(time, "sleep", lambda _: pytest.fail("waits for what is gone"))
    end([gone.pid], 60)


def test_the_list_is_what_came_and_did_not_go() -> None:
    assert listed(["+3\n", "+4\n", "-3\n", "+5\n", "-9\n"]) == {4, 5}
