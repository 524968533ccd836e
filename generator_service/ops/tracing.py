"""OpenTelemetry spans of gRPC calls to the service."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from grpc import aio


def server_interceptor() -> aio.ServerInterceptor:
    """Return an interceptor that creates a span for every call except watches and health checks.

    The span is a child of the caller's, if there is one.
    """
    from opentelemetry.instrumentation.grpc import aio_server_interceptor, filters

    interceptor: aio.ServerInterceptor = aio_server_interceptor(  # type: ignore[no-untyped-call]  # the library is untyped
        # A watch lasts as long as its client, and traces of health checks carry no information.
        filter_=filters.negate(filters.any_of(filters.method_name("WatchTasks"), filters.health_check()))
    )
    return interceptor
