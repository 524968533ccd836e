"""Uses counted in the memory of a single gateway."""

from __future__ import annotations

from collections import deque

from ws_gateway.clock import Clock
from ws_gateway.limits.rates.contract import WINDOW_S

MAX_KEYS = 100_000
"""Keys counted in memory. Beyond them the least recently used ones are dropped, as if they were unused."""


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
