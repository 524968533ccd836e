"""How often one client may do something, counted in memory or, for several gateways together, in Redis."""

from __future__ import annotations

from typing import Any

import limits.aio.storage
from limits import RateLimitItemPerMinute
from limits.aio.strategies import MovingWindowRateLimiter
from limits.errors import StorageError
from redis.asyncio import Redis

from ws_gateway.clock import Clock
from ws_gateway.redis_server import Reach

_OPTIONS: dict[str, Any] = {
    # The library's own choice is another client.
    "implementation": "redispy",
    "wrap_exceptions": True,
    "key_prefix": "whitebg:limits",
}


class RateLimit:
    """At most so many a minute for each key. The minute moves along, so nobody gets twice as many around its turn."""

    def __init__(
        self, limiter: MovingWindowRateLimiter, clock: Clock, reach: Reach, *, name: str, per_minute: int
    ) -> None:
        self._limiter = limiter
        self._clock = clock
        self._reach = reach
        self._name = name
        self._item = RateLimitItemPerMinute(per_minute, namespace="whitebg") if per_minute else None

    async def hit(self, *key: str) -> float | None:
        """Count one; return None if that is within the limit, else the seconds until the next one is.

        While the storage is away nobody is held back: that is a lesser evil than to hold back all.
        """
        if self._item is None:
            return None
        try:
            within = await self._limiter.hit(self._item, self._name, *key)
            window = None if within else await self._limiter.get_window_stats(self._item, self._name, *key)
        except StorageError as error:
            self._reach.lost(error)
            return None
        self._reach.back()
        if window is None:
            return None
        # The storage counts by the time of day; a second at least, so that nobody asks again at once.
        return max(1.0, window.reset_time - self._clock.now().timestamp())


class RateLimits:
    """All limits of the gateway. 0 a minute means unlimited."""

    def __init__(
        self, redis: Redis | None, clock: Clock, reach: Reach, *, connections: int, status_polls: int, uploads: int
    ) -> None:
        """Count in Redis; without one, in memory."""
        limiter = MovingWindowRateLimiter(_storage(redis))
        self.connections = RateLimit(limiter, clock, reach, name="connections", per_minute=connections)
        """New WebSockets, by client address."""
        self.status_polls = RateLimit(limiter, clock, reach, name="status", per_minute=status_polls)
        """Questions for the status of a task, by user and task."""
        self.uploads = RateLimit(limiter, clock, reach, name="uploads", per_minute=uploads)
        """Photos and retries, by user."""


def _storage(redis: Redis | None) -> limits.aio.storage.Storage:
    if redis is None:
        return limits.aio.storage.MemoryStorage()
    # The library makes a client of its own; the URL only says of what kind.
    options = _OPTIONS | {"connection_pool": redis.connection_pool}
    return limits.aio.storage.RedisStorage("async+redis://", **options)
