"""State shared by gateways, in a Redis that the test may stop, freeze and inspect."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from redis.asyncio import Redis

from tests.support.clock import SettableClock
from tests.support.places import InRedis
from tests.support.redis import RedisServer, redis_server
from ws_gateway.redis_client import connect


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    """Yield a server that the test may stop."""
    with redis_server() as server:
        yield server


@pytest.fixture
def in_redis(redis: RedisServer) -> InRedis:
    """Return a backend whose server the test may stop."""
    return InRedis(SettableClock(), redis)


@pytest.fixture
async def client(redis: RedisServer) -> AsyncIterator[Redis]:
    """Connect to the server directly, to inspect and change its data."""
    async with connect(redis.url) as client:
        yield client
