"""A real gateway on a free port, before the real service."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from tests.integration.gateway.world import PATIENCE, SECRET, World
from tests.support.driven_service import DrivenService
from tests.support.redis import RedisServer, redis_server
from ws_gateway.server import make_server
from ws_gateway.settings import Settings


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[DrivenService]:
    service = DrivenService(tmp_path / "data", SECRET)
    await service.start()
    yield service
    await service.stop()


@pytest.fixture
def settings(service: DrivenService) -> Settings:
    return Settings(
        http_port=0,
        jwt_secret=SECRET,  # type: ignore[arg-type]  # pydantic makes a SecretStr of it
        grpc_target=service.target,
        guest_login=True,
        drain_timeout=timedelta(seconds=5),
        # The tests open far more than a browser does; those of the limits set their own.
        connections_per_minute=0,
        auth_timeout=timedelta(seconds=1),
    )


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


@asynccontextmanager
async def running(service: DrivenService, settings: Settings) -> AsyncIterator[World]:
    """Run a gateway before a service."""
    server = make_server(settings)
    serving = asyncio.create_task(server.serve())
    async with asyncio.timeout(PATIENCE):
        await server.listening.wait()
    base = f"127.0.0.1:{server.port}"
    try:
        async with httpx.AsyncClient(base_url=f"http://{base}", timeout=PATIENCE) as http:
            world = World(service, server, http, base)
            await world.hub_connected()
            yield world
    finally:
        server.should_exit = True
        await serving


@pytest.fixture
async def world(service: DrivenService, settings: Settings) -> AsyncIterator[World]:
    async with running(service, settings) as world:
        yield world


@pytest.fixture
async def service_with_history(service: DrivenService, settings: Settings) -> AsyncIterator[World]:
    """A gateway that started after 1,200 events, and so has none of them in memory."""
    await service.submit_many("ann", 1200)
    async with running(service, settings) as world:
        yield world
