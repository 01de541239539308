"""Several processes of one service behind one port.

The kernel spreads connections over the processes that listen on the port. If one of
them ends unasked, the others are stopped and the parent ends with an error: whoever
started it knows how to start again, and half a service never goes unnoticed.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from types import FrameType

from services.runtime import metrics
from stillhouse.errors import InvalidArgument

log = logging.getLogger(__name__)


def reserve(listen: str) -> tuple[socket.socket, str]:
    """Hold a port without listening on it; the address with the port that was found."""
    host, _, port = listen.rpartition(":")
    bare = host.strip("[]")
    held = socket.socket(socket.AF_INET6 if ":" in bare else socket.AF_INET)
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        held.bind((bare, int(port)))
    except (OSError, ValueError, OverflowError) as error:
        held.close()
        raise InvalidArgument(
            "STILLHOUSE_LISTEN", f"cannot listen on {listen}: {error}; choose another"
        ) from None
    return held, f"{host}:{held.getsockname()[1]}"


def supervise(
    module: str, count: int, listen: str, arguments: Sequence[str] = (), metrics_listen: str = ""
) -> int:
    """Run `python -m module` `count` times on one port; blocks. Gives the exit code.

    SIGTERM and SIGINT are passed on, and the processes drain. The metrics of all are read
    at `metrics_listen`.
    """
    held, address = reserve(listen)
    with held, metrics.gathered(metrics_listen) as variables:
        environment = os.environ | variables
        environment |= {"STILLHOUSE_LISTEN": address, "STILLHOUSE_SHARE_PORT": "true"}
        children = [
            subprocess.Popen([sys.executable, "-m", module, *arguments], env=environment)
            for _ in range(count)
        ]
        stopping = False

        def stop(number: int, _frame: FrameType | None) -> None:
            nonlocal stopping
            stopping = True
            _signal(children, number)

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, stop)
        # On every interface the port is the same; its number is what callers need.
        log.info("listening", extra={"port": int(address.rpartition(":")[2]), "processes": count})
        first = _wait_for_one(children)
        if not stopping:
            log.error("a process ended unasked", extra={"pid": first.pid, "code": first.returncode})
            _signal(children, signal.SIGTERM)
        codes = [child.wait() for child in children]
    return 0 if stopping and not any(codes) else next((abs(one) for one in codes if one), 1)


def _wait_for_one(children: Sequence[subprocess.Popen[bytes]]) -> subprocess.Popen[bytes]:
    by_pid = {child.pid: child for child in children}
    while True:
        info = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
        if info is not None and info.si_pid in by_pid:
            by_pid[info.si_pid].wait()
            return by_pid[info.si_pid]


def _signal(children: Sequence[subprocess.Popen[bytes]], number: int) -> None:
    for child in children:
        if child.returncode is None:
            child.send_signal(number)
