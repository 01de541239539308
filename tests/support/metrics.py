"""Reading a service's metrics as Prometheus does."""

from __future__ import annotations

import time
import urllib.request
from collections.abc import Callable

from prometheus_client.parser import text_string_to_metric_families

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def scrape(port: int) -> Samples:
    """Every sample by its name and labels."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(samples: Samples, name: str, **labels: str) -> float:
    """The sum of a metric's samples with these labels, and any others; 0 if there is none."""
    wanted = set(labels.items())
    return sum(one for (found, has), one in samples.items() if found == name and wanted <= has)


def scraped_until(port: int, done: Callable[[Samples], bool], seconds: float = 30.0) -> Samples:
    """The first samples that `done` is true of; a metric may come a moment after its answer."""
    end = time.monotonic() + seconds
    while True:
        samples = scrape(port)
        if done(samples):
            return samples
        assert time.monotonic() < end, samples
        time.sleep(0.05)
