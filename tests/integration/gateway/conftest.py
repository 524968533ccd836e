"""A real gateway on a free port, connected to a real service."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from tests.integration.gateway.front import Front, gateway
from tests.integration.gateway.world import SECRET, GatewayHarness
from tests.support.api import SECRET as API_SECRET
from tests.support.clock import SkewedClock
from tests.support.driven_service import DrivenService
from tests.support.http import http_client
from tests.support.patience import PATIENCE
from tests.support.processes import ServiceProcess, service_process
from tests.support.redis import RedisServer, redis_server
from ws_gateway.clock import Clock
from ws_gateway.server import make_server
from ws_gateway.settings import Settings


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[DrivenService]:
    service = DrivenService(tmp_path / "data", SECRET)
    await service.start()
    yield service
    await service.stop()


@pytest.fixture(scope="session")
def usual_settings() -> Settings:
    """Read the settings once: that takes longer than many of the tests."""
    return Settings(
        http_port=0,
        jwt_secret=SECRET,  # type: ignore[arg-type]  # pydantic makes a SecretStr of it
        guest_login=True,
        drain_timeout=timedelta(seconds=5),
        # The tests open far more connections than a browser; tests of the limits set their own.
        connections_per_minute=0,
        connections_per_address=0,
        failed_handshakes_per_minute=0,
    )


@pytest.fixture
def settings(usual_settings: Settings, service: DrivenService) -> Settings:
    return usual_settings.model_copy(update={"grpc_target": service.target})


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


@asynccontextmanager
async def running(
    service: DrivenService, settings: Settings, clock: Clock | None = None
) -> AsyncIterator[GatewayHarness]:
    """Run a gateway connected to a service."""
    server = make_server(settings, clock)
    serving = asyncio.create_task(server.serve())
    async with asyncio.timeout(PATIENCE):
        await server.listening.wait()
    base = f"127.0.0.1:{server.port}"
    try:
        # Certificates are not needed for plain text, and loading them takes time.
        async with http_client(f"http://{base}") as http:
            world = GatewayHarness(service, server, http, base)
            await world.hub_connected()
            yield world
    finally:
        server.should_exit = True
        await serving


@pytest.fixture
def clock() -> SkewedClock:
    """The clock of `world`, which a test can advance instead of waiting."""
    return SkewedClock()


@pytest.fixture
async def world(service: DrivenService, settings: Settings, clock: SkewedClock) -> AsyncIterator[GatewayHarness]:
    async with running(service, settings, clock) as world:
        yield world


@pytest.fixture
async def service_with_history(service: DrivenService, settings: Settings) -> AsyncIterator[GatewayHarness]:
    """A gateway that started after 1,200 events, so that it has none of them in memory."""
    await service.submit_many("ann", 1200)
    async with running(service, settings) as world:
        yield world


@pytest.fixture(scope="session")
def shared_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    """A service process with a worker, for tests that use separate users and leave queue and process alone."""
    with service_process(
        tmp_path_factory.mktemp("shared"), API_SECRET, worker_slots="1", pool_processes="1"
    ) as service:
        yield service


@pytest.fixture
async def front(shared_service: ServiceProcess) -> AsyncIterator[Front]:
    """A gateway in front of that service, with a new user."""
    async with gateway(shared_service.target, f"user-{uuid.uuid4().hex[:12]}") as front:
        yield front
