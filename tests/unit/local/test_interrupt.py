from __future__ import annotations

import signal
import threading

import pytest

from stillhouse.local.interrupt import first_interrupt


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_asks_and_the_block_goes_on(number: signal.Signals) -> None:
    asked = threading.Event()
    before = signal.getsignal(number)
    with first_interrupt(asked.set):
        signal.raise_signal(number)
        assert asked.wait(10)
    assert signal.getsignal(number) is before


@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM])
def test_the_second_interrupts(second: signal.Signals) -> None:
    asked = threading.Event()
    with first_interrupt(asked.set):
        signal.raise_signal(signal.SIGINT)
        assert asked.wait(10)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(second)


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
