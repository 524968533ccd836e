"""The time by which waiting tasks become due and leases expire: never a wall clock that can be stepped under them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Protocol

from sqlalchemy import Connection, text

from generator_service.domain.clock import Clock

DATABASE_TIME = text("SELECT clock_timestamp()")


class QueueClock(Protocol):
    """Queue time, in UTC. All processes on one database share it; ``run_at`` and lease expiry are in queue time."""

    def read(self, connection: Connection) -> datetime:
        """Return the present queue time, within a transaction."""
        ...

    def estimate(self) -> datetime:
        """Return the present queue time as far as it is known without asking the database."""
        ...


class SteadyClock:
    """Queue time of a database that one process holds: a start, and the monotonic time since."""

    def __init__(self, clock: Clock, start: datetime) -> None:
        self._clock = clock
        self._start = start
        self._began = clock.monotonic()

    def read(self, connection: Connection) -> datetime:  # noqa: ARG002 (the database is not asked)
        """Return the present queue time."""
        return self.estimate()

    def estimate(self) -> datetime:
        """Return the present queue time."""
        return self._start + timedelta(seconds=self._clock.monotonic() - self._began)


class DatabaseClock:
    """Queue time of a database that many hosts share: the database's own clock."""

    def __init__(self, clock: Clock, connection: Connection) -> None:
        self._clock = clock
        self._seen = (datetime.min.replace(tzinfo=UTC), 0.0)
        self.read(connection)

    def read(self, connection: Connection) -> datetime:
        """Ask the database."""
        at: datetime = connection.execute(DATABASE_TIME).scalar_one().astimezone(UTC)
        self._seen = at, self._clock.monotonic()
        return at

    def estimate(self) -> datetime:
        """Return the time that the database gave last, and the monotonic time since."""
        at, seen = self._seen
        return at + timedelta(seconds=self._clock.monotonic() - seen)
