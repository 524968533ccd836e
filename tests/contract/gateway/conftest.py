"""What gateways share, once in memory and once in a real Redis: each test runs on every backend."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from typing import Protocol

import pytest

from tests.support.clock import SettableClock
from tests.support.redis import RedisServer, redis_server
from ws_gateway.metrics import Metrics
from ws_gateway.places.contract import Places
from ws_gateway.places.held import Held
from ws_gateway.places.local import LocalPlaces
from ws_gateway.places.redis import redis_places
from ws_gateway.redis_server import Reach, connect
from ws_gateway.revocations.contract import Revocations
from ws_gateway.revocations.ledger import Ledger
from ws_gateway.revocations.local import LocalRevocations
from ws_gateway.revocations.redis import redis_revocations

KEEP = timedelta(days=30)
LEASE = timedelta(seconds=30)


class Backend(Protocol):
    """Makes the parts of a gateway."""

    clock: SettableClock

    def revocations(self, *, capacity: int = 100) -> AbstractAsyncContextManager[Revocations]:
        """Run the revocations of one gateway within the block."""
        ...

    def places(self, *, most: int, lease: timedelta = LEASE) -> AbstractAsyncContextManager[Places]:
        """Run the places of one gateway within the block."""
        ...


class InMemory:
    """A gateway by itself."""

    def __init__(self, clock: SettableClock) -> None:
        self.clock = clock

    @asynccontextmanager
    async def revocations(self, *, capacity: int = 100) -> AsyncIterator[Revocations]:
        yield LocalRevocations(Ledger(clock=self.clock, keep=KEEP, capacity=capacity))

    @asynccontextmanager
    async def places(self, *, most: int, lease: timedelta = LEASE) -> AsyncIterator[Places]:
        yield LocalPlaces(Held(most))


class InRedis:
    """A gateway beside others, on an empty server."""

    def __init__(self, clock: SettableClock, redis: RedisServer) -> None:
        self.clock = clock
        self.redis = redis
        self.metrics = Metrics()

    @asynccontextmanager
    async def revocations(self, *, capacity: int = 100) -> AsyncIterator[Revocations]:
        ledger = Ledger(clock=self.clock, keep=KEEP, capacity=capacity)
        reach = Reach(self.metrics, "revocations", without="what was known stays revoked")
        url = self.redis.url
        async with (
            connect(url, tries=2) as client,
            connect(url, tries=1) as line,
            redis_revocations(client, line, ledger, reach) as revocations,
        ):
            yield revocations

    @asynccontextmanager
    async def places(self, *, most: int, lease: timedelta = LEASE) -> AsyncIterator[Places]:
        reach = Reach(self.metrics, "sockets", without="each gateway counts its own open sockets")
        async with (
            connect(self.redis.url, tries=2) as client,
            redis_places(client, Held(most), reach, lease=lease) as places,
        ):
            yield places


@pytest.fixture(scope="session")
def shared_redis() -> Iterator[RedisServer]:
    """Run one server for all tests that do not stop it."""
    with redis_server() as server:
        yield server


@pytest.fixture
async def emptied_redis(shared_redis: RedisServer) -> RedisServer:
    """Give that server with nothing in it."""
    async with connect(shared_redis.url, tries=1) as client:
        await client.flushall()
    return shared_redis


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    """Give a server that the test may stop."""
    with redis_server() as server:
        yield server


@pytest.fixture(params=["memory", "redis"])
def backend(request: pytest.FixtureRequest) -> Backend:
    """Give each backend in turn."""
    clock = SettableClock()
    return InMemory(clock) if request.param == "memory" else InRedis(clock, request.getfixturevalue("emptied_redis"))


@pytest.fixture
def in_redis(redis: RedisServer) -> InRedis:
    """Give a backend whose server the test may stop."""
    return InRedis(SettableClock(), redis)
