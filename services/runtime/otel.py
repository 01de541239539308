"""Spans sent to an OpenTelemetry collector by OTLP over gRPC; needs the extra `otel`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from stillhouse import tracing
from stillhouse.errors import InvalidArgument
from stillhouse.tracing import Span, TraceContext

_SETTING = "STILLHOUSE_OTLP_ENDPOINT"


@contextlib.contextmanager
def exported(endpoint: str, service: str) -> Iterator[None]:
    """Send the spans that end in a block to `endpoint` (http://HOST:PORT); none for "".

    What is not sent yet when the block ends is sent then. Raises InvalidArgument if the
    extra is not installed.
    """
    if not endpoint:
        yield
        return
    exporter = _Exporter(endpoint, service)
    tracing.record_with(exporter.record)
    try:
        yield
    finally:
        tracing.record_with(None)
        exporter.close()


class _Exporter:
    """OpenTelemetry's batches, filled with our spans."""

    def __init__(self, endpoint: str, service: str) -> None:
        try:
            # Only who exports needs them.
            from opentelemetry import trace  # noqa: PLC0415
            from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import (  # noqa: PLC0415
                OTLPSpanExporter,
            )
            from opentelemetry.sdk import resources  # noqa: PLC0415
            from opentelemetry.sdk import trace as sdk  # noqa: PLC0415
            from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
        except ImportError:
            raise InvalidArgument(
                _SETTING, "needs OpenTelemetry: pip install 'stillhouse-services[otel]'"
            ) from None
        self._trace, self._sdk = trace, sdk
        self._resource = resources.Resource.create({"service.name": service})
        insecure = not endpoint.startswith("https://")
        self._processor = BatchSpanProcessor(OTLPSpanExporter(endpoint, insecure=insecure))

    def record(self, span: Span) -> None:
        """Put a span into the next batch; never waits."""
        trace = self._trace
        status = trace.Status(trace.StatusCode.ERROR, span.error) if span.error else trace.Status()
        kinds = trace.SpanKind
        ended = self._sdk.ReadableSpan(
            span.name,
            context=self._context(span.context),
            parent=self._context(span.parent) if span.parent else None,
            resource=self._resource,
            attributes=dict(span.attributes),
            kind={"server": kinds.SERVER, "consumer": kinds.CONSUMER}.get(
                span.kind, kinds.INTERNAL
            ),
            status=status,
            start_time=span.start,
            end_time=span.end,
        )
        self._processor.on_end(ended)

    def _context(self, context: TraceContext) -> Any:
        trace = self._trace
        return trace.SpanContext(
            int(context.trace_id, 16),
            int(context.span_id, 16),
            is_remote=False,
            trace_flags=trace.TraceFlags(int(context.sampled)),
        )

    def close(self) -> None:
        """Send what is left."""
        self._processor.shutdown()  # type: ignore[no-untyped-call]
