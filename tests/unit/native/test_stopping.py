"""Calls end early when they are cancelled or past their deadline; threads change no answer."""

import threading
import time
from collections.abc import Callable

import numpy as np
import pytest
from stillhouse_native import Index, Stop, Stopped

from tests.unit.native.corpora import index_of, ragged

TOKENS = np.random.default_rng(6).integers(0, 40, 400_000)
OFFSETS = np.arange(0, 400_001, 5)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    documents = [TOKENS[i : i + 20_000].tolist() for i in range(0, 400_000, 20_000)]
    return index_of(documents, tmp_path_factory.mktemp("stop") / "index")


# Each takes at least some tens of milliseconds if it isn't stopped.
LONG: dict[str, Callable[[Index, Stop], object]] = {
    "count_batch": lambda i, s: i.count_batch(TOKENS, OFFSETS, stop=s),
    "find_batch": lambda i, s: i.find_batch(TOKENS, OFFSETS, threads=0, stop=s),
    "match_lengths": lambda i, s: i.match_lengths(TOKENS[::-1].copy(), stop=s),
    "prob_batch": lambda i, s: i.prob_batch(TOKENS, OFFSETS, TOKENS[::5], stop=s),
    "infgram_prob_batch": lambda i, s: i.infgram_prob_batch(TOKENS, OFFSETS, TOKENS[::5], stop=s),
    "ntd_batch": lambda i, s: i.ntd_batch(TOKENS, OFFSETS, threads=2, stop=s),
    "infgram_ntd_batch": lambda i, s: i.infgram_ntd_batch(TOKENS, OFFSETS, stop=s),
    "score": lambda i, s: i.score(TOKENS[::-1].copy(), stop=s),
    "count_cnf": lambda i, s: i.count_cnf(
        [[[1]], [[2, 2, 2]], [[99], [3, 3, 3]]] * 2 + [[[5]]] * 9, max_diff_tokens=20_000, stop=s
    ),
    "find_cnf": lambda i, s: i.find_cnf([[[a]] for a in range(30)], max_diff_tokens=20_000, stop=s),
    "search_docs": lambda i, s: i.search_docs([], limit=400_000, stop=s),
    "positions": lambda i, s: i.positions(0, 400_000, stop=s),
}
"""By name."""


@pytest.mark.parametrize("name", LONG)
def test_expired_before_it_starts(name: str, index: Index) -> None:
    with pytest.raises(Stopped, match="deadline"):
        LONG[name](index, Stop(0))
    cancelled = Stop()
    cancelled.cancel()
    assert cancelled.stopped
    with pytest.raises(Stopped, match="cancelled"):
        LONG[name](index, cancelled)


@pytest.mark.parametrize("name", LONG)
def test_cancelled_on_the_way(name: str, index: Index) -> None:
    """Within 10 ms, with room for a busy machine: the best of a few tries counts."""
    delays = []
    for _ in range(5):
        stop = Stop()
        ended: list[float] = []

        def work(stop: Stop = stop, ended: list[float] = ended) -> None:
            try:
                LONG[name](index, stop)
            except Stopped:
                ended.append(time.perf_counter())

        thread = threading.Thread(target=work)
        thread.start()
        time.sleep(0.004)
        cancelled = time.perf_counter()
        stop.cancel()
        thread.join()
        if ended:
            delays.append(ended[0] - cancelled)
    if delays:
        assert min(delays) < 0.010


def test_deadline_on_the_way(index: Index) -> None:
    start = time.perf_counter()
    with pytest.raises(Stopped, match="deadline"):
        index.ntd_batch(TOKENS, np.arange(0, 400_001, 2), stop=Stop(0.005))
    assert time.perf_counter() - start < 1


def test_a_stop_that_does_not_stop_changes_nothing(index: Index) -> None:
    stop = Stop(1000)
    some, cuts = ragged([TOKENS[i : i + 5].tolist() for i in range(0, 5_000, 50)])
    assert (
        index.count_batch(some, cuts, stop=stop).tolist() == index.count_batch(some, cuts).tolist()
    )
    assert not stop.stopped


@pytest.mark.parametrize("timeout", [-1, float("nan"), 1e10])
def test_refuses_timeouts(timeout: float) -> None:
    with pytest.raises(ValueError, match="timeout"):
        Stop(timeout)


@pytest.mark.parametrize("threads", [0, 2, 3, 64])
def test_threads_change_nothing(threads: int, index: Index) -> None:
    values, cuts = TOKENS[:20_000], np.arange(0, 20_001, 4)
    one, many = index.count_batch(values, cuts), index.count_batch(values, cuts, threads=threads)
    assert one.tolist() == many.tolist()
    for call in (index.match_lengths_batch, index.find_batch, index.score_batch, index.ntd_batch):
        for a, b in zip(call(values, cuts), call(values, cuts, threads=threads), strict=True):
            np.testing.assert_array_equal(a, b)
