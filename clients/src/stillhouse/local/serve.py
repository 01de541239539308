"""An index service of one's own, for as long as a command needs it."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stillhouse.errors import FailedPrecondition, NotFound
from stillhouse.local.process import ChildProcess
from stillhouse.local.stack import free_ports, is_serving

_START_SECONDS = 120.0
_STOP_SECONDS = 10.0


@contextmanager
def serving_index(folder: Path, logs: Path) -> Iterator[str]:
    """The target of a service over the index in `folder`; it ends with the block."""
    if not folder.is_dir():
        raise NotFound(f"no index folder {folder}; `stillhouse index build` makes one")
    logs.mkdir(parents=True, exist_ok=True)
    target = f"127.0.0.1:{free_ports(1)[0]}"
    child = ChildProcess(
        "index",
        [sys.executable, "-m", "services.index"],
        {"STILLHOUSE_INDEXES": f"corpus={folder.resolve()}", "STILLHOUSE_LISTEN": target},
        logs / "index.log",
    )
    try:
        end = time.monotonic() + _START_SECONDS
        while not is_serving(target):
            child.revive()
            if time.monotonic() > end:
                raise FailedPrecondition(f"the index is not ready; its log is {child.log}")
            time.sleep(0.1)
        yield target
    finally:
        child.stop(_STOP_SECONDS)
