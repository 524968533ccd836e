"""The standard health service, as load balancers and clients use it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from generator_service.rpc.health_servicer import HealthServicer
from tests.support.patience import PATIENCE

SERVICE = "whitebg.v1.GeneratorService"

Status = health_pb2.HealthCheckResponse


@pytest.fixture
async def health() -> HealthServicer:
    return HealthServicer(("", SERVICE))


@pytest.fixture
async def server(health: HealthServicer) -> AsyncIterator[tuple[grpc.aio.Server, Any]]:
    server = grpc.aio.server()
    health_pb2_grpc.add_HealthServicer_to_server(health, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel, asyncio.timeout(PATIENCE):
        yield server, health_pb2_grpc.HealthStub(channel)
    await server.stop(0)


Served = tuple[grpc.aio.Server, Any]


async def test_a_watcher_hears_of_changes_after_another_has_left(server: Served, health: HealthServicer) -> None:
    _, stub = server
    request = health_pb2.HealthCheckRequest(service=SERVICE)
    stays, leaves = stub.Watch(request), stub.Watch(request)
    for watch in (stays, leaves):
        assert (await watch.read()).status == Status.NOT_SERVING
    leaves.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaves.read()
    for serving in (True, False):
        health.publish(serving=serving)
        assert (await stays.read()).status == (Status.SERVING if serving else Status.NOT_SERVING)


async def test_a_stop_is_told_and_ends_watches(server: Served, health: HealthServicer) -> None:
    grpc_server, stub = server
    health.publish(serving=True)
    watch = stub.Watch(health_pb2.HealthCheckRequest())
    assert (await watch.read()).status == Status.SERVING
    health.stop()
    assert (await watch.read()).status == Status.NOT_SERVING
    health.publish(serving=True)
    assert (await stub.Check(health_pb2.HealthCheckRequest())).status == Status.NOT_SERVING
    stopping = asyncio.create_task(grpc_server.stop(10 * PATIENCE))
    health.close()
    assert await watch.read() is grpc.aio.EOF
    await stopping


async def test_a_service_that_is_not_here(server: Served) -> None:
    _, stub = server
    unknown = health_pb2.HealthCheckRequest(service="x.Y")
    with pytest.raises(grpc.aio.AioRpcError, match=r"there is no service 'x\.Y' here") as failed:
        await stub.Check(unknown)
    assert failed.value.code() is grpc.StatusCode.NOT_FOUND
    assert (await stub.Watch(unknown).read()).status == Status.SERVICE_UNKNOWN
