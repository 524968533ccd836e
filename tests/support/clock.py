"""Clocks for tests: one that moves only when set, and one that is skewed or advanced."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

NOON = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)


class SettableClock:
    """Wall and monotonic time as set; usable as the service's and the gateway's clock."""

    def __init__(self, at: datetime = NOON) -> None:
        self._now = at
        self._elapsed = at - NOON

    def now(self) -> datetime:
        """Return the current wall time."""
        return self._now

    def monotonic(self) -> float:
        """Return the elapsed seconds; steps of the wall clock do not count."""
        return self._elapsed.total_seconds()

    def advance(self, by: timedelta) -> datetime:
        """Let time pass, backwards for a negative span; return the new wall time."""
        self._elapsed += by
        return self.step(by)

    def step(self, by: timedelta) -> datetime:
        """Set the wall clock forward, or back for a negative span; return the new wall time. No time passes."""
        self._now += by
        return self._now


class SkewedClock:
    """The clock of a host that is off by ``skew``; it runs normally, and a test can advance it."""

    def __init__(self, skew: timedelta = timedelta(0)) -> None:
        self.skew = skew
        self.reads = 0
        """Number of reads of the monotonic time: an increase shows that a waiting reader has checked again."""
        self._ahead = 0.0
        self._stopped: float | None = None

    def now(self) -> datetime:
        """Return that host's time, in UTC."""
        return datetime.now(UTC) + self.skew

    def monotonic(self) -> float:
        """Return seconds that never run backwards."""
        self.reads += 1
        return (time.monotonic() if self._stopped is None else self._stopped) + self._ahead

    def stop(self) -> None:
        """Let no seconds pass by themselves from now on, however long a loaded machine takes."""
        self._stopped = time.monotonic()

    def advance(self, by: timedelta) -> None:
        """Let this much additional time pass now."""
        self.skew += by
        self._ahead += by.total_seconds()
