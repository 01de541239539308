"""Ctrl-C as a wish to end well, which no callback can swallow as it can a KeyboardInterrupt."""

from __future__ import annotations

import _thread
import logging
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Thread
from types import FrameType

log = logging.getLogger(__name__)


@contextmanager
def first_interrupt(ask: Callable[[], object]) -> Iterator[None]:
    """The first SIGINT inside the block calls `ask` in a thread of its own.

    What the block waits for is then expected to end. A second SIGINT, or `ask` failing,
    interrupts it as ever. Only for the main thread.
    """

    def asking() -> None:
        try:
            ask()
        except Exception as error:
            log.warning("could not be stopped in order: %s", error)
            _thread.interrupt_main()

    def handle(_number: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        Thread(target=asking, daemon=True).start()

    before = signal.signal(signal.SIGINT, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
