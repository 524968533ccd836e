"""Breakers and limits of engines in one transaction: they decide which tasks may start."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, CursorResult, Executable

from generator_service.domain.breaker import Breaker
from generator_service.domain.engine_limit import EngineLimit
from generator_service.domain.task_options import Engine
from generator_service.store import rows, statements

Query = Callable[[Executable], CursorResult[Any]]


class StartGates:
    """Breakers of dependencies and limits of engines: rows of one table, all locked together before the first change.

    They are locked after all users and before the log's head, so that no two transactions wait for each other.
    """

    def __init__(self, connection: Connection) -> None:
        self.changes = 0
        self._connection = connection
        self._breakers: dict[str, Breaker] | None = None
        self._limits: dict[Engine, EngineLimit] = {}
        self._running: Counter[Engine] | None = None
        self._locked = False

    def breakers(self) -> Mapping[str, Breaker]:
        """Return the breakers that were ever opened, by name, as they were when this transaction first looked."""
        if self._breakers is None:
            return self._read(statements.BREAKERS)
        return self._breakers

    def change_breaker(self, name: str, change: Callable[[Breaker], Breaker]) -> Breaker:
        """Lock the breakers, change one as it is now, and return it."""
        if not self._locked or name not in self.breakers():
            self._connection.execute(statements.MAKE_BREAKER, {"name": name})
            self._read_locked()
        before = self.breakers()[name]
        after = change(before)
        if after != before:
            self._breakers = {**self.breakers(), name: after}
            self._connection.execute(statements.CHANGE_BREAKER, rows.breaker_values(after) | {"of_breaker": name})
            self.changes += 1
        return after

    def end_attempt(self, task_id: int) -> None:
        """Note that a task no longer runs: end the probes that it was, and count running tasks again."""
        for name, breaker in self.breakers().items():
            if breaker.probe_task == task_id:
                self.change_breaker(name, lambda breaker: breaker.end_probe(task_id))
        self._running = None

    def limits(self) -> Mapping[Engine, EngineLimit]:
        """Return the limits of engines."""
        self.breakers()
        return self._limits

    def set_limit(self, limit: EngineLimit) -> None:
        """Store an engine's limit."""
        name = rows.limit_name(limit.engine)
        if limit.engine not in self.limits():
            self._connection.execute(statements.MAKE_BREAKER, {"name": name})
            self._read_locked()
        self._limits[limit.engine] = limit
        self._connection.execute(statements.CHANGE_BREAKER, rows.limit_values(limit) | {"of_breaker": name})
        self.changes += 1

    def full_engines(self, query: Query, now: datetime) -> set[Engine]:
        """Return the engines that may start no further task now, counted over all workers.

        ``query`` has to see all changes of tasks up to now. The limits are locked until the commit, together with the
        breakers.
        """
        if not self.limits():
            return set()
        self.lock()
        running = self._running_by_engine(query)
        return {engine for engine, each in self._limits.items() if not each.admits(running[engine], now)}

    def count_start(self, engine: Engine, query: Query, now: datetime) -> None:
        """Count a start against the engine's limit, if it has one; ``query`` as in `full_engines`."""
        if engine in self._limits:
            self._running_by_engine(query)[engine] += 1
            self.set_limit(self._limits[engine].start(now))

    def lock(self) -> None:
        """Lock breakers and limits until the commit."""
        if not self._locked:
            self._read_locked()

    def _running_by_engine(self, query: Query) -> Counter[Engine]:
        """Return how many tasks run on each engine, in all processes; read under the lock of the limits."""
        if self._running is None:
            found = query(statements.RUNNING_BY_ENGINE)
            self._running = Counter({Engine(row.engine): row.tasks for row in found if row.engine in set(Engine)})
        return self._running

    def _read_locked(self) -> None:
        self._read(statements.LOCK_BREAKERS)
        self._locked = True

    def _read(self, statement: Executable) -> Mapping[str, Breaker]:
        self._breakers, self._limits = rows.breakers_and_limits(self._connection.execute(statement))
        return self._breakers
