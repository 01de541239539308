"""Medians over many calls."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np


def single(call: Callable[..., object], arguments: Sequence[tuple[Any, ...]]) -> float:
    """Median microseconds of one call, over one call for each tuple of arguments."""
    for args in arguments[: len(arguments) // 4]:
        call(*args)
    times = []
    for args in arguments:
        start = time.perf_counter_ns()
        call(*args)
        times.append(time.perf_counter_ns() - start)
    return float(np.median(times)) / 1e3


def repeated(call: Callable[[], object], times: int = 9) -> float:
    """Median microseconds of a call that does the same each time."""
    call()
    return single(call, [()] * times)
