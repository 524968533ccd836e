"""OpenTelemetry traces, if configured and the extra ``otel`` is installed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from grpc import aio

INSTALL = "WHITEBG_TRACING is set, but OpenTelemetry is not installed: pip install 'whitebg[otel]'"


class TracingUnavailable(Exception):
    """Traces are configured, but the packages are not installed."""


def start(process: str) -> None:
    """Send this process's traces by OTLP over HTTP, as configured by the ``OTEL_EXPORTER_OTLP_*`` variables.

    Raises:
        TracingUnavailable: the packages are not installed.

    """
    try:
        from opentelemetry import trace
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise TracingUnavailable(INSTALL) from error
    provider = TracerProvider(resource=Resource.create({"service.name": process}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)


def server_interceptor() -> aio.ServerInterceptor:
    """Return an interceptor that creates a span for every call but watches, as a child of the caller's span, if any."""
    from opentelemetry.instrumentation.grpc import aio_server_interceptor, filters

    interceptor: aio.ServerInterceptor = aio_server_interceptor(  # type: ignore[no-untyped-call]  # theirs
        # A watch lasts as long as its client, and traces of health checks carry no information.
        filter_=filters.negate(filters.any_of(filters.method_name("WatchTasks"), filters.health_check()))
    )
    return interceptor
