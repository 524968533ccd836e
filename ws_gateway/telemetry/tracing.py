"""OpenTelemetry spans of HTTP requests and of calls to the service."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fastapi.telemetry import TelemetryConfig

if TYPE_CHECKING:
    from grpc import aio

# Their URLs contain tokens, codes and signatures, or are uninformative.
_UNTRACED = ("/ws/", "/images/", "/auth/", "/healthz", "/readyz", "/metrics")


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
