"""Child processes: small real ones."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from stillhouse.errors import FailedPrecondition
from stillhouse.local.process import ChildProcess, stop_all
from stillhouse.local.stack import broker_binary, free_ports
from tests.support.processes import eventually_gone, runs

Start = Callable[[str], ChildProcess]

_SLEEP = "import signal; signal.pause()"


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    children: list[ChildProcess] = []

    def run(code: str) -> ChildProcess:
        log = tmp_path / f"{len(children)}.log"
        child = ChildProcess("child", [sys.executable, "-Sc", code], {"COLOUR": "red"}, log)
        children.append(child)
        return child

    yield run
    stop_all(children, 0)


def end(child: ChildProcess) -> None:
    os.kill(child.pid, signal.SIGKILL)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)


def ended(child: ChildProcess) -> ChildProcess:
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    return child


def test_what_it_says_is_in_its_log(start: Start) -> None:
    child = start("import os, sys; print(os.environ['COLOUR']); print('no', file=sys.stderr)")
    child.check_succeeded()
    assert sorted(child.log.read_text().split()) == ["no", "red"]


_PARENT = """
import os, signal, sys
def stop(*_): sys.exit(0)
signal.signal(signal.SIGTERM, stop)
child = os.fork()
if child == 0:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print(os.getpid(), flush=True)
    while True: signal.pause()
"""


@pytest.mark.parametrize("end_", ["stop", "die", "succeed"])
def test_no_child_of_it_outlives_it(start: Start, end_: str) -> None:
    child = start(_PARENT + ("signal.pause()" if end_ != "succeed" else ""))
    while not (said := child.log.read_text()).endswith("\n"):
        time.sleep(0.01)
    grandchild = int(said)
    if end_ == "stop":
        child.stop(30)
    elif end_ == "die":
        end(child)
        assert not child.running
    else:
        child.check_succeeded()
    eventually_gone([grandchild])


def test_it_runs_in_a_session_of_its_own(start: Start) -> None:
    child = start(_SLEEP)
    assert child.running
    assert os.getsid(child.pid) == child.pid != os.getsid(0)


def test_a_failure_is_told_by_its_error_line(start: Start) -> None:
    child = start("import sys; print('error: PORT: taken', 'bye', sep='\\n'); sys.exit(3)")
    with pytest.raises(FailedPrecondition, match=r"^child: PORT: taken$"):
        child.check_succeeded()


def test_a_failure_without_one_names_code_and_log(start: Start) -> None:
    child = start("import sys; sys.exit(3)")
    with pytest.raises(FailedPrecondition, match=r"child ended with code 3; its log is .*0\.log"):
        child.check_succeeded()


def test_what_runs_is_left_alone(start: Start) -> None:
    child = start(_SLEEP)
    pid = child.pid
    child.revive()
    assert child.pid == pid


def test_what_died_is_started_again_five_times(start: Start) -> None:
    child = start(_SLEEP)
    for _ in range(5):
        pid = child.pid
        end(child)
        child.revive()
        assert child.running
        assert child.pid != pid
    end(child)
    with pytest.raises(FailedPrecondition, match="ended with code -9"):
        child.revive()


def test_what_refused_its_input_is_not_started_again(start: Start) -> None:
    child = ended(start("import sys; print('error: no'); sys.exit(2)"))
    with pytest.raises(FailedPrecondition, match="child: no"):
        child.revive()


def test_stopping_asks_first(start: Start) -> None:
    child = start(_SLEEP)
    child.stop(20)
    assert not child.running
    child.stop(20)


def test_what_does_not_listen_is_killed_with_its_children(start: Start) -> None:
    child = start(
        "import os, signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); pid = os.fork();"
        "print(pid, flush=True) if pid else None; signal.pause()"
    )
    while not child.log.read_text().endswith("\n"):
        assert child.running
    grandchild = int(child.log.read_text())
    child.stop(0.1)
    assert not child.running
    while runs(grandchild):
        os.sched_yield()


def test_free_ports_are_distinct_and_free() -> None:
    ports = free_ports(20)
    assert len(set(ports)) == 20
    for port in ports:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", port))


def test_the_broker_is_the_one_beside_this_python() -> None:
    assert os.access(broker_binary(), os.X_OK)
