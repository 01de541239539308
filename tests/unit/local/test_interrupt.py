from __future__ import annotations

import signal
import threading

import pytest

from stillhouse.local.interrupt import first_interrupt


def test_the_first_asks_and_the_block_goes_on() -> None:
    asked = threading.Event()
    before = signal.getsignal(signal.SIGINT)
    with first_interrupt(asked.set):
        signal.raise_signal(signal.SIGINT)
        assert asked.wait(10)
    assert signal.getsignal(signal.SIGINT) is before


def test_the_second_interrupts() -> None:
    asked = threading.Event()
    with first_interrupt(asked.set):
        signal.raise_signal(signal.SIGINT)
        assert asked.wait(10)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_asking_in_vain_interrupts(caplog: pytest.LogCaptureFixture) -> None:
    waiting = threading.Event()

    def vain() -> None:
        assert waiting.wait(10)
        raise ConnectionError("away")

    def wait() -> None:
        waiting.set()
        threading.Event().wait(10)

    with first_interrupt(vain):
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            wait()
    assert "away" in caplog.text
