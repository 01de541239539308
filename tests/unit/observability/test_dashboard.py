"""The dashboard and the alerts ask for metrics that the code has, and leave none out."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import REGISTRY
from prometheus_client.metrics import MetricWrapperBase

ROOT = Path(__file__).parent.parent.parent.parent
FOLDER = ROOT / "k8s" / "observability"
MODULES = (
    *(
        f"services.{name}.metrics"
        for name in ("index", "filter", "generator", "trainer", "gateway")
    ),
    *(
        f"services.runtime.{name}"
        for name in ("metrics", "call_metrics", "queue_metrics", "queue_watch")
    ),
)
# What the scrape puts on, and what Prometheus itself has.
SCRAPED = {"job", "instance", "service"}
FOREIGN = {
    "up": set[str](),
    "process_resident_memory_bytes": set(),
    "process_cpu_seconds_total": set(),
}
_NAME = re.compile(r"\b(?:up|(?:stillhouse|grpc_server|process)_\w+)\b(?!\s*\()")
_SELECTOR = re.compile(r"(\b\w+)\s*\{([^}]*)\}")
_MATCHER = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"")
_GROUPING = re.compile(r"\b(?:by|on|without|ignoring)\s*\(([^)]*)\)")
_SHOWN = re.compile(r"\{\{\s*\$labels\.(\w+)|\{\{(\w+)\}\}")


def declared() -> dict[str, set[str]]:
    """Every sample that the code may expose, with its labels."""
    found: dict[str, set[str]] = {}
    for module in MODULES:
        for metric in vars(import_module(module)).values():
            if isinstance(metric, MetricWrapperBase):
                labels = set(metric._labelnames)
                suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}
                for suffix in suffixes.get(str(metric._type), ("",)):
                    more = {"le"} if suffix == "_bucket" else set()
                    found[metric._name + suffix] = labels | more
    return found


SAMPLES = declared()


def alerts() -> dict[str, dict[str, Any]]:
    groups = yaml.safe_load((FOLDER / "alerts.yaml").read_text())["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((FOLDER / "dashboard.json").read_text())["panels"]
    return [one for one in found if one["type"] != "row"]


def asked() -> Iterator[tuple[str, str, str]]:
    """Where an expression stands, the expression, and the text that shows its labels."""
    for name, rule in alerts().items():
        yield name, rule["expr"], rule["annotations"]["summary"]
    for panel in panels():
        for target in panel["targets"]:
            yield panel["title"], target["expr"], target["legendFormat"]


@pytest.mark.parametrize(("place", "expression", "text"), list(asked()))
def test_what_is_asked_for_exists(place: str, expression: str, text: str) -> None:
    known = SAMPLES | FOREIGN
    bare = re.sub(r'"[^"]*"', '""', expression)
    names = set(_NAME.findall(bare))
    assert names, place
    assert names <= known.keys()
    labels = set().union(*(known[name] for name in names)) | SCRAPED
    for name, matchers in _SELECTOR.findall(expression):
        assert set(_MATCHER.findall(matchers)) <= known[name] | SCRAPED, (place, name)
    for group in _GROUPING.findall(bare):
        assert {one.strip() for one in group.split(",") if one.strip()} <= labels, place
    for shown in _SHOWN.findall(text):
        assert set(shown) - {""} <= labels, (place, text)


def test_every_metric_is_shown_or_watched() -> None:
    everything = " ".join(expression for _, expression, _ in asked())
    names = set(_NAME.findall(everything))
    families = {re.sub(r"_(bucket|sum|count)$", "", name) for name in SAMPLES}
    used = {re.sub(r"_(bucket|sum|count)$", "", name) for name in names}
    assert families <= used


def test_the_code_declares_no_metric_elsewhere() -> None:
    """So that no name is missing above."""
    sources = [
        path
        for path in (ROOT / "services").rglob("*.py")
        if "prometheus_client" in path.read_text()
    ]
    declaring = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in sources
        if re.search(r"= (?:Counter|Gauge|Histogram|Summary|Info)\(", path.read_text())
    }
    assert declaring == set(MODULES)


def test_every_alert_has_its_paragraph() -> None:
    page = (ROOT / "docs" / "alerts.md").read_text()
    assert re.findall(r"^## (\w+)$", page, re.MULTILINE) == list(alerts())


def test_callers_can_cause_no_alert_of_a_shard() -> None:
    """Deadlines that are too short and answers that are too large are theirs."""
    assert _SELECTOR.findall(alerts()["ShardFails"]["expr"]) == [
        ("stillhouse_shard_failures_total", 'error="Unavailable"')
    ]


def test_no_alert_is_of_a_service_by_its_name() -> None:
    """A shard is index-0 and so on, and each may have replicas whose contents differ."""
    assert not [n for n, rule in alerts().items() if re.search(r"\bservice=", rule["expr"])]
    assert "by (service, index, digest)" in alerts()["ContentDiffers"]["expr"]


def test_series_begin_at_zero_where_an_alert_waits_for_the_first() -> None:
    """An increase is seen only of what was there before."""
    for name, labels in (
        ("stillhouse_calls_refused_total", {"reason": "admission"}),
        ("stillhouse_runs_ended_total", {"state": "failed"}),
        ("stillhouse_filter_candidates_total", {"outcome": "accepted"}),
    ):
        assert REGISTRY.get_sample_value(name, labels) is not None


def test_panels_have_their_own_places() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        at = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells
