"""A clock that moves only when told to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

NOON = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)


class SettableClock:
    """Tells the time it was set to; a clock of the service's and of the gateway's kind."""

    def __init__(self, at: datetime = NOON) -> None:
        self._now = at

    def now(self) -> datetime:
        """Return the time it was set to."""
        return self._now

    def monotonic(self) -> float:
        """Return the seconds since `NOON`."""
        return (self._now - NOON).total_seconds()

    def advance(self, by: timedelta) -> datetime:
        """Move on, or back for a negative span; return the new time."""
        self._now += by
        return self._now
