"""Waiting until service and gateway are ready to be used."""

from __future__ import annotations

import asyncio
import http.client

import grpc
import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from whitebg.wire import Tls, open_channel

_SERVICE = "whitebg.v1.GeneratorService"
_PROBE_EVERY = 0.1
_FAST_RECONNECT = [
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 500),
    ("grpc.max_reconnect_backoff_ms", 500),
]


async def service_ready(target: str, tls: Tls = False) -> None:
    """Return when the service reports that it is serving.

    Raises:
        CertificateError: the files that ``tls`` names can't be used.

    """
    request = health_pb2.HealthCheckRequest(service=_SERVICE)
    async with open_channel(target, tls, _FAST_RECONNECT) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        while True:
            try:
                async for answer in stub.Watch(request, wait_for_ready=True):
                    if answer.status == health_pb2.HealthCheckResponse.SERVING:
                        return
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.UNAVAILABLE:
                    raise
            await asyncio.sleep(_PROBE_EVERY)  # It died in between; there is no stream to wait on.


async def gateway_ready(address: str) -> None:
    """Return when ``GET /readyz`` answers 200. HTTP has no notifications, so it is polled ten times a second."""
    while not await asyncio.to_thread(_probe, address):  # noqa: ASYNC110 - there is no event to wait for
        await asyncio.sleep(_PROBE_EVERY)


def _probe(address: str) -> bool:
    connection = http.client.HTTPConnection(address, timeout=2.0)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
