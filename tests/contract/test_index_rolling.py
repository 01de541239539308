"""Index servers replaced one after the other, as a rollout does, while calls go on."""

from __future__ import annotations

import subprocess
import threading
from pathlib import Path

from stillhouse import IndexClient
from stillhouse.local.stack import free_ports
from tests.support.service_process import launch
from tests.support.small_index import make_text_index, occurrences


def test_no_call_fails_while_servers_are_replaced(tmp_path: Path) -> None:
    folder = make_text_index(tmp_path / "words")
    ports = free_ports(2)

    def start(port: int) -> subprocess.Popen[str]:
        process = launch(
            "services.index", INDEXES=f"words={folder}", LISTEN=f"127.0.0.1:{port}", PRELOAD="true"
        )
        with IndexClient(f"127.0.0.1:{port}") as one:
            wait(one)
        return process

    def wait(client: IndexClient) -> None:
        for _ in range(200):
            try:
                if all(info.ready for info in client.list_indexes()):
                    return
            except Exception:
                threading.Event().wait(0.1)
        raise AssertionError("the server does not get ready")

    servers = [start(port) for port in ports]
    wanted, stop = occurrences("the still"), threading.Event()
    answers: list[int | Exception] = []
    target = "ipv4:" + ",".join(f"127.0.0.1:{port}" for port in ports)

    def ask() -> None:
        with IndexClient(target) as client:
            while not stop.is_set():
                try:
                    answers.append(client.count("the still").count)
                except Exception as error:
                    answers.append(error)

    # Several, for a call to be on its way just when a server stops taking any.
    callers = [threading.Thread(target=ask) for _ in range(6)]
    for caller in callers:
        caller.start()
    try:
        for number, port in enumerate(ports):
            seen = len(answers)
            servers[number].terminate()
            _, log = servers[number].communicate(timeout=60)
            assert servers[number].returncode == 0, log
            servers[number] = start(port)
            # As minReadySeconds does: every caller has found the new one by then.
            threading.Event().wait(3)
            while len(answers) < seen + 600:
                threading.Event().wait(0.05)
    finally:
        stop.set()
        for caller in callers:
            caller.join()
        for one in servers:
            one.kill()
            one.communicate()
    assert len(answers) > 1200
    assert set(answers) == {wanted}
