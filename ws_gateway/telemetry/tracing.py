"""Traces by OpenTelemetry, where they are asked for and the extra ``otel`` is installed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fastapi.telemetry import TelemetryConfig

if TYPE_CHECKING:
    from grpc import aio

# Their URLs contain tokens, codes and signatures, or are uninformative.
_UNTRACED = ("/ws/", "/images/", "/auth/", "/healthz", "/readyz", "/metrics")
INSTALL = "WHITEBG_TRACING is set, but OpenTelemetry is not installed: pip install 'whitebg[otel]'"


class TracingUnavailable(Exception):
    """Traces are asked for, and the packages are not there."""


def start(process: str) -> None:
    """Send this process's traces by OTLP over HTTP, as the ``OTEL_EXPORTER_OTLP_*`` variables configure.

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


def telemetry(*, tracing: bool) -> TelemetryConfig:
    """Return FastAPI's telemetry configuration: a span for every HTTP request, and nothing else."""
    return TelemetryConfig(
        tracing=tracing, metrics=False, logs=False, operation_spans=False, auto_configure=False, exclude=_untraced
    )


def _untraced(scope: Mapping[str, Any]) -> bool:
    return str(scope.get("path", "")).startswith(_UNTRACED)


def client_interceptors() -> Sequence[aio.ClientInterceptor]:
    """Return interceptors that create a span for every call to the service and propagate its context."""
    from opentelemetry.instrumentation.grpc import aio_client_interceptors, filters

    interceptors: Sequence[aio.ClientInterceptor] = aio_client_interceptors(  # type: ignore[no-untyped-call]  # theirs
        # A watch lasts as long as the process.
        filter_=filters.negate(filters.method_name("WatchTasks"))
    )
    return interceptors
