"""OpenTelemetry traces, if configured and the extra ``otel`` is installed."""

from __future__ import annotations

INSTALL = "WHITEBG_TRACING is set, but OpenTelemetry is not installed: pip install 'whitebg[otel]'"


class TracingUnavailable(Exception):
    """Traces are configured, but the packages are not installed."""


def start_tracing(process: str) -> None:
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
