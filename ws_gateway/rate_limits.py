"""How often one client may do something, counted in memory or, for several gateways together, in Redis."""

from __future__ import annotations

import logging
from typing import Any
from urllib.parse import urlsplit

import limits.aio.storage
from limits import RateLimitItemPerMinute
from limits.aio.strategies import MovingWindowRateLimiter
from limits.errors import ConfigurationError, StorageError
from limits.storage import storage_from_string

from ws_gateway.clock import Clock

log = logging.getLogger(__name__)

# redis-py, which the service uses too; the library's own choice is another client. Seconds.
_REDIS = {"implementation": "redispy", "socket_timeout": 1.0, "socket_connect_timeout": 1.0}
_OPTIONS: dict[str, Any] = {"async+redis": _REDIS, "async+rediss": _REDIS}


class RateLimit:
    """At most so many a minute for each key. The minute moves along, so nobody gets twice as many around its turn."""

    def __init__(self, limiter: MovingWindowRateLimiter, clock: Clock, *, name: str, per_minute: int) -> None:
        self._limiter = limiter
        self._clock = clock
        self._name = name
        self._item = RateLimitItemPerMinute(per_minute, namespace="whitebg") if per_minute else None

    async def hit(self, *key: str) -> float | None:
        """Count one; return None if that is within the limit, else the seconds until the next one is.

        While the storage is away nobody is held back: that is a lesser evil than to hold back all.
        """
        if self._item is None:
            return None
        try:
            if await self._limiter.hit(self._item, self._name, *key):
                return None
            window = await self._limiter.get_window_stats(self._item, self._name, *key)
        except StorageError as error:
            log.warning("can't count %s, so nobody is limited: %s", self._name, error)
            return None
        # The storage counts by the time of day; a second at least, so that nobody asks again at once.
        return max(1.0, window.reset_time - self._clock.now().timestamp())


class RateLimits:
    """All limits of the gateway. 0 a minute means unlimited.

    Raises:
        ValueError: the storage URL can't be used.

    """

    def __init__(self, url: str, clock: Clock, *, connections: int, status_polls: int, uploads: int) -> None:
        try:
            storage = storage_from_string(url, wrap_exceptions=True, **_OPTIONS.get(urlsplit(url).scheme, {}))
        except ConfigurationError as error:
            raise ValueError(f"the storage for limits can't be used: {error}") from error
        if not isinstance(storage, limits.aio.storage.Storage):
            raise ValueError(  # noqa: TRY004  # the value of a setting is wrong, not a type of the program
                "the storage for limits must be asynchronous: async+memory:// or async+redis://host:port"
            )
        limiter = MovingWindowRateLimiter(storage)
        self.connections = RateLimit(limiter, clock, name="connections", per_minute=connections)
        """New WebSockets, by client address."""
        self.status_polls = RateLimit(limiter, clock, name="status", per_minute=status_polls)
        """Questions for the status of a task, by user and task."""
        self.uploads = RateLimit(limiter, clock, name="uploads", per_minute=uploads)
        """Photos and retries, by user."""
