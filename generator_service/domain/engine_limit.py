"""Limits of an engine over all workers: concurrent tasks, and starts per minute. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from generator_service.domain.task_options import Engine

MAX_RUNNING = 10_000
MAX_PER_MINUTE = 60_000
BURST = timedelta(seconds=2)
"""Starts may come early by this much less one interval: workers look for tasks once a second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineLimit:
    """Limits of one engine, shared by all workers. None: no limit.

    Starts are spaced evenly: ``next_start`` is when the next one would be due at the exact rate, in queue time.
    """

    engine: Engine
    max_running: int | None = None
    """1 to `MAX_RUNNING`."""
    per_minute: int | None = None
    """1 to `MAX_PER_MINUTE`."""
    next_start: datetime | None = None

    def admits(self, running: int, now: datetime) -> bool:
        """Return whether another task may start while ``running`` tasks run."""
        return (self.max_running is None or running < self.max_running) and self._due(now)

    def start(self, now: datetime) -> EngineLimit:
        """Count a start."""
        if self.per_minute is None:
            return self
        return replace(self, next_start=max(self.next_start or now, now) + self._interval(self.per_minute))

    def _due(self, now: datetime) -> bool:
        if self.per_minute is None or self.next_start is None:
            return True
        return self.next_start <= now + max(timedelta(), BURST - self._interval(self.per_minute))

    @staticmethod
    def _interval(per_minute: int) -> timedelta:
        return timedelta(minutes=1) / per_minute
