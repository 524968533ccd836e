"""How often one client may do something, counted in memory or, for several gateways together, in Redis.

The window slides, so that no user gets twice as many around its boundary. One clock measures it: the monotonic one of
this process, or that of the Redis server. Adjusted or differing clocks of gateways have no effect.
"""

from __future__ import annotations

from collections import deque
from typing import Protocol

from redis.asyncio import Redis

from ws_gateway.clock import Clock
from ws_gateway.redis_health import UNREACHABLE, RedisHealth

WINDOW_S = 60.0
MAX_KEYS = 100_000
"""Keys counted in memory. Beyond them the least recently used ones are dropped, as if they were unused."""


class Window(Protocol):
    """Remembers the latest uses of each key within the last minute."""

    async def take(self, key: str, limit: int, *, count: bool) -> float:
        """Return 0 if one more use is within the limit, and with ``count`` count it; else the seconds until it is."""
        ...


class LocalWindow:
    """Counts in the memory of this process."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._uses: dict[str, deque[float]] = {}
        """The key used least recently first."""

    def __len__(self) -> int:
        return len(self._uses)

    async def take(self, key: str, limit: int, *, count: bool) -> float:
        """Return 0 if one more use is within the limit, else the seconds until it is."""
        now = self._clock.monotonic()
        uses = self._uses.get(key)
        if uses is not None and len(uses) >= limit and now - uses[-limit] < WINDOW_S:
            return WINDOW_S - (now - uses[-limit])
        if count:
            uses = self._uses.pop(key, None) or deque(maxlen=limit)
            uses.append(now)
            self._uses[key] = uses
            self._drop_unused(now)
        return 0.0

    def _drop_unused(self, now: float) -> None:
        """Drop keys that were unused for a minute, and those beyond the number that is counted."""
        while True:
            key, uses = next(iter(self._uses.items()))
            if now - uses[-1] < WINDOW_S and len(self._uses) <= MAX_KEYS:
                return
            del self._uses[key]


# The latest uses, newest first, in milliseconds of the server's clock; one in the future: the clock was set back.
_TAKE = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local limit, window = tonumber(ARGV[1]), tonumber(ARGV[2])
local newest = redis.call('LINDEX', KEYS[1], 0)
if newest and tonumber(newest) > now then redis.call('DEL', KEYS[1]) end
local oldest = redis.call('LINDEX', KEYS[1], limit - 1)
if oldest and now - oldest < window then return window - (now - oldest) end
if ARGV[3] == '1' then
  redis.call('LPUSH', KEYS[1], now)
  redis.call('LTRIM', KEYS[1], 0, limit - 1)
  redis.call('PEXPIRE', KEYS[1], window)
end
return 0
"""


class RedisWindow:
    """Counts the uses at all gateways."""

    def __init__(self, client: Redis) -> None:
        self._take = client.register_script(_TAKE)

    async def take(self, key: str, limit: int, *, count: bool) -> float:
        """Return 0 if one more use is within the limit, else the seconds until it is."""
        arguments = [limit, int(WINDOW_S * 1000), int(count)]
        return float(await self._take(keys=[f"whitebg:rates:{key}"], args=arguments)) / 1000


class RateLimit:
    """At most so many uses a minute for each key."""

    def __init__(self, window: Window, reach: RedisHealth, *, name: str, per_minute: int) -> None:
        self._window = window
        self._reach = reach
        self._name = name
        self._per_minute = per_minute

    async def hit(self, *key: str) -> float | None:
        """Count one; return None if that is within the limit, else the seconds until the next one is.

        While the storage is unavailable, nothing is limited: better than rejecting all requests.
        """
        return await self._take(key, count=True)

    async def wait(self, *key: str) -> float | None:
        """Return the seconds until one more is within the limit, and count nothing; None if it is."""
        return await self._take(key, count=False)

    async def _take(self, key: tuple[str, ...], *, count: bool) -> float | None:
        if not self._per_minute:
            return None
        try:
            wait = await self._window.take("\n".join((self._name, *key)), self._per_minute, count=count)
        except UNREACHABLE as error:
            self._reach.lost(error)
            return None
        self._reach.back()
        # At least a second, to prevent immediate retries.
        return max(1.0, wait) if wait > 0 else None


class RateLimits:
    """All limits of the gateway. 0 a minute means unlimited."""

    def __init__(
        self,
        redis: Redis | None,
        clock: Clock,
        reach: RedisHealth,
        *,
        connections: int,
        connections_per_address: int,
        failed_handshakes: int,
        sign_ins: int,
        status_polls: int,
        uploads: int,
    ) -> None:
        """Count in Redis; without one, in memory."""
        window: Window = LocalWindow(clock) if redis is None else RedisWindow(redis)
        self.connections = RateLimit(window, reach, name="connections", per_minute=connections)
        """New WebSockets, by user."""
        self.addresses = RateLimit(window, reach, name="addresses", per_minute=connections_per_address)
        """New WebSockets, by client address."""
        self.failures = RateLimit(window, reach, name="failures", per_minute=failed_handshakes)
        """Failed handshakes, by client address."""
        self.sign_ins = RateLimit(window, reach, name="sign-ins", per_minute=sign_ins)
        """Requests to sign in or out, by client address."""
        self.status_polls = RateLimit(window, reach, name="status", per_minute=status_polls)
        """Questions for the status of a task, by user and task."""
        self.uploads = RateLimit(window, reach, name="uploads", per_minute=uploads)
        """Photos and retries, by user."""
