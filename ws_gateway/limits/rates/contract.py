"""Counting the uses of a key in a sliding window, in memory or, for several gateways together, in Redis.

The window slides, so that no user gets twice as many around its boundary. One clock measures it: the monotonic one of
this process, or that of the Redis server. Adjusted or differing clocks of gateways have no effect.
"""

from __future__ import annotations

from typing import Protocol

WINDOW_S = 60.0


class WindowUnavailable(Exception):
    """The storage of the uses is unavailable; the cause is chained."""


class Window(Protocol):
    """Remembers the latest uses of each key within the last minute."""

    async def take(self, key: str, limit: int, *, count: bool) -> float:
        """Return 0 if one more use is within the limit, and with ``count`` count it; else the seconds until it is.

        Raises:
            WindowUnavailable: the storage can't be reached.

        """
        ...
