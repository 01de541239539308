"""Ctrl-C and SIGTERM as a wish to end well, which no callback can swallow as it can a
KeyboardInterrupt.
"""

from __future__ import annotations

import _thread
import logging
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

log = logging.getLogger(__name__)

_STOPS = (signal.SIGINT, signal.SIGTERM)


def terminate_as_interrupt() -> None:
    """From now on SIGTERM raises KeyboardInterrupt, so that children are stopped and not left."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.default_int_handler)


@contextmanager
def first_interrupt(ask: Callable[[], object]) -> Iterator[None]:
    """The first SIGINT or SIGTERM inside the block calls `ask` in a thread of its own.

    What the block waits for is then expected to end. A second one, or `ask` failing,
    interrupts it. Only for the main thread.
    """

    def asking() -> None:
        try:
            ask()
        except Exception as error:
            log.warning("could not be stopped in order: %s", error)
            _thread.interrupt_main()

    def handle(_number: int, _frame: FrameType | None) -> None:
        for number in _STOPS:
            signal.signal(number, signal.default_int_handler)
        threading.Thread(target=asking, daemon=True).start()

    before = {number: signal.signal(number, handle) for number in _STOPS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
