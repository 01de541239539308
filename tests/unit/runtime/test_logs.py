"""What a line of the log holds."""

from __future__ import annotations

import json
import logging
from typing import Any

from services.runtime import logs
from stillhouse import tracing


def line(**extra: object) -> dict[str, Any]:
    record = logging.makeLogRecord({"msg": "said", "name": "a.b", "levelname": "INFO", **extra})
    found: dict[str, Any] = json.loads(logs.JsonFormatter().format(record))
    return found


def test_bound_fields_and_the_trace() -> None:
    with logs.bound(run="r", batch="r.1.0.0"), tracing.span("work") as context:
        with logs.bound(batch="r.1.1.0", layer="length"):
            inner = line(seconds=1.5)
        outer = line()
    assert (inner["run"], inner["batch"], inner["layer"]) == ("r", "r.1.1.0", "length")
    assert (inner["message"], inner["level"], inner["seconds"]) == ("said", "info", 1.5)
    assert (inner["trace_id"], inner["span_id"]) == (context.trace_id, context.span_id)
    assert (outer["batch"], "layer" in outer) == ("r.1.0.0", False)


def test_what_is_bound_hides_nothing() -> None:
    with logs.bound(message="other", level="none"):
        assert (line()["message"], line()["level"]) == ("said", "info")


def test_outside_there_is_neither() -> None:
    assert line().keys() == {"time", "level", "logger", "message"}
