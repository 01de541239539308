"""Which trace the work at hand belongs to, passed on as W3C trace context.

    with span("nightly audit"):
        index.count("once upon")      # the service's logs carry the same trace id

Clients send the `traceparent` of the span they are called in. Spans are told to
`record_with`'s recorder; without one, ids are passed on as they came.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Literal, Self, TypeAlias

HEADER = "traceparent"

Kind: TypeAlias = Literal["internal", "server", "consumer"]

_FORM = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")


@dataclass(frozen=True, slots=True)
class TraceContext:
    """A place in a trace: 32 and 16 hex digits, and whether the trace is recorded."""

    trace_id: str
    span_id: str
    sampled: bool = True

    @classmethod
    def parse(cls, header: str) -> Self | None:
        """What a traceparent says; None if it is malformed, which ends the trace."""
        found = _FORM.fullmatch(header.strip())
        if found is None:
            return None
        version, trace_id, span_id, flags, more = found.groups()
        if version == "ff" or (version == "00" and more):
            return None
        if not (trace_id.strip("0") and span_id.strip("0")):
            return None
        return cls(trace_id, span_id, bool(int(flags, 16) & 1))

    @classmethod
    def root(cls) -> Self:
        """The beginning of a trace."""
        return cls(secrets.token_hex(16), secrets.token_hex(8))

    def child(self) -> TraceContext:
        """A place below this one."""
        return TraceContext(self.trace_id, secrets.token_hex(8), self.sampled)

    @property
    def header(self) -> str:
        """The traceparent that passes it on."""
        return f"00-{self.trace_id}-{self.span_id}-{int(self.sampled):02x}"


@dataclass(frozen=True, slots=True)
class Span:
    """What was done at a place of a trace, from `start` to `end` in ns since 1970."""

    name: str
    kind: Kind
    context: TraceContext
    parent: TraceContext | None
    start: int
    end: int
    error: str = ""
    attributes: dict[str, str] = field(default_factory=dict)


Recorder: TypeAlias = Callable[[Span], None]

_CURRENT: ContextVar[TraceContext | None] = ContextVar("stillhouse_trace", default=None)
_recorders: list[Recorder] = []


def record_with(recorder: Recorder | None) -> None:
    """Tell spans that end from now on to `recorder`, in place of any other; None: to nobody."""
    _recorders[:] = [] if recorder is None else [recorder]


def current() -> TraceContext | None:
    """Where the work at hand is; None outside of every trace."""
    return _CURRENT.get()


def metadata() -> tuple[tuple[str, str], ...]:
    """What a call carries to pass the trace on; nothing outside of every trace."""
    context = _CURRENT.get()
    return ((HEADER, context.header),) if context else ()


def _place_below(parent: TraceContext) -> TraceContext:
    """The same place where nobody records: its id would be a gap between those of others."""
    return parent.child() if _recorders else parent


@contextmanager
def span(
    name: str, kind: Kind = "internal", above: TraceContext | None = None, **attributes: str
) -> Iterator[TraceContext]:
    """Work inside of `above`, or of the current place, or at the beginning of a trace."""
    parent = above or _CURRENT.get()
    context = _place_below(parent) if parent else TraceContext.root()
    token = _CURRENT.set(context)
    start, error = time.time_ns(), ""
    try:
        yield context
    except BaseException as raised:
        error = type(raised).__name__
        raise
    finally:
        with suppress(ValueError):  # a generator that is closed from elsewhere
            _CURRENT.reset(token)
        if _recorders and context.sampled:
            ended = Span(name, kind, context, parent, start, time.time_ns(), error, attributes)
            _recorders[0](ended)
