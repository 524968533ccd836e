"""Traces by OpenTelemetry, where they are asked for and the extra ``otel`` is installed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from grpc import aio

INSTALL = "WHITEBG_TRACING is set, but OpenTelemetry is not installed: pip install 'whitebg[otel]'"


class TracingUnavailable(Exception):
    """Traces are asked for, and the packages are not there."""


def start(process: str) -> None:
    """Send this process's traces by OTLP over HTTP, to where the ``OTEL_EXPORTER_OTLP_*`` variables say.

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
    """Return what makes a span of every call but the watches, a child of the caller's if there is one."""
    from opentelemetry.instrumentation.grpc import aio_server_interceptor, filters

    interceptor: aio.ServerInterceptor = aio_server_interceptor(  # type: ignore[no-untyped-call]  # theirs
        # A watch lasts as long as its client, and health checks say nothing.
        filter_=filters.negate(filters.any_of(filters.method_name("WatchTasks"), filters.health_check()))
    )
    return interceptor
