"""The standard health service (grpc.health.v1), by which load balancers and clients choose where to send calls.

That of grpcio-health-checking (1.81) stops notifying the other watchers once one of them has left, and can't end a
watch: a stop would wait for each until its time is up.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable

import grpc
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthServicer as Contract

from generator_service.rpc.receiving import Context


class HealthServicer(Contract):  # type: ignore[misc]  # the package has no types
    """Reports the same status for all of its services, and NOT_SERVING until one is set."""

    def __init__(self, services: Iterable[str]) -> None:
        self._services = frozenset(services)
        self._status: int = HealthCheckResponse.NOT_SERVING
        self._stopping = False
        self._closed = False
        self._changed = asyncio.Event()
        """Set at the next change, and then replaced."""

    def publish(self, *, serving: bool) -> None:
        """Report whether calls are served; after `stop` without effect."""
        if not self._stopping:
            self._set(HealthCheckResponse.SERVING if serving else HealthCheckResponse.NOT_SERVING)

    def stop(self) -> None:
        """Report NOT_SERVING from now on."""
        self._stopping = True
        self._set(HealthCheckResponse.NOT_SERVING)

    def close(self) -> None:
        """End all watches."""
        self._closed = True
        self._notify()

    async def Check(self, request: HealthCheckRequest, context: Context) -> HealthCheckResponse:  # noqa: N802  gRPC's name
        """Answer with the status; NOT_FOUND for a service that is not known."""
        if request.service not in self._services:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"there is no service {request.service[:80]!r} here")
        return HealthCheckResponse(status=self._status)

    async def Watch(  # noqa: N802  gRPC's name
        self, request: HealthCheckRequest, context: Context
    ) -> AsyncIterator[HealthCheckResponse]:
        """Send the status, and each change of it."""
        del context
        sent = None
        while not self._closed:
            changed = self._changed
            status = self._status if request.service in self._services else HealthCheckResponse.SERVICE_UNKNOWN
            if status != sent:
                sent = status
                yield HealthCheckResponse(status=status)
            else:
                await changed.wait()

    def _set(self, status: int) -> None:
        if status != self._status:
            self._status = status
            self._notify()

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
