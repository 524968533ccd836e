"""The one source of time."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol

# Counts on while the machine sleeps, as `time.monotonic` does not on Linux.
_STEADY = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class Clock(Protocol):
    """Wall time, for display and retention, and monotonic time, for durations and timeouts.

    Code that needs the time receives a clock as a dependency.
    """

    def now(self) -> datetime:
        """Return the wall time in UTC, with microseconds. It may be stepped, forward or back."""
        ...

    def monotonic(self) -> float:
        """Return seconds that are never stepped, sleep of the machine included; only differences mean something."""
        ...


class SystemClock:
    """The machine's clocks."""

    def now(self) -> datetime:
        """Return the wall time in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return seconds that are never stepped."""
        return time.clock_gettime(_STEADY)
