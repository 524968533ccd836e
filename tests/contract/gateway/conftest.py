"""State shared by gateways, in memory and in a real Redis: each test runs on every backend."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.clock import SettableClock
from tests.support.places import Backend, InMemory, InRedis
from tests.support.redis import RedisServer, redis_server
from ws_gateway.redis_client import connect


@pytest.fixture(scope="session")
def shared_redis() -> Iterator[RedisServer]:
    """Run one server for all tests that do not stop it."""
    with redis_server() as server:
        yield server


@pytest.fixture
async def emptied_redis(shared_redis: RedisServer) -> RedisServer:
    """Return that server, emptied."""
    async with connect(shared_redis.url) as client:
        await client.flushall()
    return shared_redis


@pytest.fixture(params=["memory", "redis"])
def backend(request: pytest.FixtureRequest) -> Backend:
    """Return each backend in turn."""
    clock = SettableClock()
    return InMemory(clock) if request.param == "memory" else InRedis(clock, request.getfixturevalue("emptied_redis"))
