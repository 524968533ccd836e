"""State shared by gateways, in memory and in Redis, as used in tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from typing import Protocol

from tests.support.clock import SettableClock
from tests.support.redis import RedisServer
from ws_gateway.limits.connections.contract import ConnectionLimiter, ConnectionSlot
from ws_gateway.limits.connections.held import Held
from ws_gateway.limits.connections.local import LocalConnectionLimiter
from ws_gateway.limits.connections.redis import redis_connection_limiter
from ws_gateway.redis_client import connect
from ws_gateway.redis_health import RedisHealth
from ws_gateway.telemetry.metrics import Metrics

LEASE = timedelta(seconds=30)


class Backend(Protocol):
    """Makes the parts of a gateway."""

    clock: SettableClock

    def places(self, *, most: int, lease: timedelta = LEASE) -> AbstractAsyncContextManager[ConnectionLimiter]:
        """Run the connection limiter of one gateway within the block."""
        ...


class InMemory:
    """A single gateway."""

    def __init__(self, clock: SettableClock) -> None:
        self.clock = clock

    @asynccontextmanager
    async def places(self, *, most: int, lease: timedelta = LEASE) -> AsyncIterator[ConnectionLimiter]:
        yield LocalConnectionLimiter(Held(most))


class InRedis:
    """One of several gateways, on an empty server."""

    def __init__(self, clock: SettableClock, redis: RedisServer) -> None:
        self.clock = clock
        self.redis = redis
        self.metrics = Metrics()

    @asynccontextmanager
    async def places(self, *, most: int, lease: timedelta = LEASE) -> AsyncIterator[ConnectionLimiter]:
        reach = RedisHealth(self.metrics, "sockets", without="each gateway counts its own open sockets")
        async with (
            connect(self.redis.url) as client,
            redis_connection_limiter(client, Held(most), reach, lease=lease) as places,
        ):
            yield places


async def take(places: ConnectionLimiter, user_id: str = "ann") -> ConnectionSlot:
    """Take a slot, which has to be free."""
    place = await places.take(user_id)
    assert place is not None
    return place
