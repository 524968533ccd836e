"""The limits of a gateway on the rate of each client's requests."""

from __future__ import annotations

from ws_gateway.limits.rates.contract import Window, WindowUnavailable
from ws_gateway.redis_health import RedisHealth


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
        except WindowUnavailable as error:
            self._reach.lost(error)
            return None
        self._reach.back()
        # At least a second, to prevent immediate retries.
        return max(1.0, wait) if wait > 0 else None


class RateLimits:
    """All limits of the gateway. 0 a minute means unlimited."""

    def __init__(
        self,
        window: Window,
        reach: RedisHealth,
        *,
        connections: int,
        connections_per_address: int,
        failed_handshakes: int,
        sign_ins: int,
        status_polls: int,
        uploads: int,
    ) -> None:
        """Count all uses in one window."""
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
