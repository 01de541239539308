"""W3C trace context: read, passed on, recorded."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stillhouse import tracing
from stillhouse.tracing import Span, TraceContext, span

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.fixture
def recorded() -> Iterator[list[Span]]:
    spans: list[Span] = []
    tracing.record_with(spans.append)
    yield spans
    tracing.record_with(None)


@given(trace=st.integers(1, 2**128 - 1), place=st.integers(1, 2**64 - 1), sampled=st.booleans())
def test_what_is_written_is_read(trace: int, place: int, sampled: bool) -> None:
    context = TraceContext(f"{trace:032x}", f"{place:016x}", sampled)
    assert TraceContext.parse(context.header) == context


@pytest.mark.parametrize(
    ("header", "sampled"),
    [
        (f"00-{TRACE}-{SPAN}-01", True),
        (f"00-{TRACE}-{SPAN}-00", False),
        (f" 00-{TRACE}-{SPAN}-03 ", True),
        (f"cc-{TRACE}-{SPAN}-01-what the future brings", True),
    ],
)
def test_headers(header: str, sampled: bool) -> None:
    assert TraceContext.parse(header) == TraceContext(TRACE, SPAN, sampled)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "nonsense",
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE}-{SPAN}-01-more",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE[:-1]}-{SPAN}-01",
    ],
)
def test_what_is_malformed_ends_the_trace(header: str) -> None:
    assert TraceContext.parse(header) is None


@given(st.text())
def test_any_text_is_read_or_refused(header: str) -> None:
    TraceContext.parse(header)


def test_outside_of_every_trace_nothing_is_passed_on() -> None:
    assert tracing.current() is None
    assert tracing.metadata() == ()


def test_without_a_recorder_ids_are_passed_on_as_they_came() -> None:
    above = TraceContext(TRACE, SPAN)
    with span("work", "server", above) as context:
        assert context == tracing.current() == above
        assert tracing.metadata() == (("traceparent", f"00-{TRACE}-{SPAN}-01"),)
    assert tracing.current() is None


def test_spans_are_told_with_their_parents(recorded: list[Span]) -> None:
    with span("outer") as outer, pytest.raises(ZeroDivisionError), span("inner", why="x") as inner:
        raise ZeroDivisionError
    assert [one.name for one in recorded] == ["inner", "outer"]
    assert recorded[0].parent == outer
    assert recorded[1].parent is None
    assert inner.trace_id == outer.trace_id
    assert inner.span_id != outer.span_id
    assert (recorded[0].error, recorded[1].error) == ("ZeroDivisionError", "")
    assert recorded[0].attributes == {"why": "x"}
    assert recorded[1].start <= recorded[0].start <= recorded[0].end <= recorded[1].end


def test_a_trace_that_is_not_recorded_stays_so(recorded: list[Span]) -> None:
    with span("work", above=TraceContext(TRACE, SPAN, sampled=False)) as context:
        assert context.header.endswith("-00")
    assert recorded == []


async def test_tasks_are_in_the_trace_that_started_them() -> None:
    async def look() -> TraceContext | None:
        await asyncio.sleep(0)
        return tracing.current()

    with span("one") as one:
        first = asyncio.create_task(look())
    with span("two") as two:
        second = asyncio.create_task(look())
    assert await first == one
    assert await second == two
