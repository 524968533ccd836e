"""Users in one transaction: their locks, counts and turns in the queue."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, Row

from generator_service.domain.task import Task
from generator_service.store import rows, statements
from generator_service.store.limits import UserLimits
from generator_service.store.turns import Turns


@dataclass(slots=True)
class UserCounts:
    """A user's row: the latest seq, how many tasks wait and run, the latest start's number, and the bytes stored."""

    seq: int
    pending: int
    running: int
    served: int
    stored_bytes: int

    @property
    def columns(self) -> dict[str, int]:
        """The columns of the row."""
        return {
            "seq": self.seq,
            "pending": self.pending,
            "running": self.running,
            "served": self.served,
            "stored_bytes": self.stored_bytes,
        }


class UserRows:
    """Rows of locked users. The lock of a user's row covers the user's tasks, batches and usage."""

    def __init__(self, connection: Connection) -> None:
        self.changes = 0
        self._connection = connection
        self._counts: dict[str, UserCounts] = {}
        self._limits: dict[str, UserLimits] = {}
        self._turns = Turns()
        self._changed: set[str] = set()
        self._leaving: set[str] = set()

    def lock(self, users: Sequence[str], tasks: Sequence[int]) -> None:
        """Create the users that are new, and lock them and the users of the tasks, in order of their names."""
        missing = users
        while True:
            if missing:
                self._connection.execute(statements.MAKE_USERS, [{"name": user} for user in missing])
            locked = self._connection.execute(statements.LOCK_USERS, {"names": users, "task_ids": tasks}).all()
            self.adopt(locked)
            self._limits |= {row.user_id: rows.user_limits_from_row(row) for row in locked}
            missing = [user for user in users if user not in self._counts]
            if not missing:
                break
            # Another process has deleted them while their rows were waited for.
        self._begin_logs()

    def _begin_logs(self) -> None:
        """Let the logs of new users begin where no cursor of a deleted user of the same name reaches."""
        new = [name for name, user in self._counts.items() if user.seq == 0]
        # Read after the rows were locked: who deleted one of them has committed the mark with it.
        base = self._connection.execute(statements.LOG_HEAD).one().forgotten_seq if new else 0
        if base:
            self._connection.execute(statements.BEGIN_LOGS, [{"name": name, "base": base} for name in new])
            for name in new:
                self._counts[name].seq = base

    def adopt(self, found: Iterable[Row[Any]]) -> list[str]:
        """Take over users whose rows this transaction has just locked; return their names."""
        names = []
        for row in found:
            if not self._counts:
                self._turns.begin_after(row.started)
            self._counts[row.user_id] = UserCounts(row.seq, row.pending, row.running, row.served, row.stored_bytes)
            names.append(row.user_id)
        return names

    def counts(self, user_id: str) -> UserCounts:
        """Return the counts of a locked user."""
        return self._counts[user_id]

    def limits(self, user_id: str) -> UserLimits:
        """Return the limits that a user named by the operation has in place of the defaults."""
        return self._limits.get(user_id, UserLimits())

    def number(self, task: Task, *, pending: int, running: int, stored_bytes: int) -> Task:
        """Return a task with the next seq of its user, whose counts change by these amounts."""
        user = self._counts[task.user_id]
        if running > 0 or (pending > 0 and not user.pending):
            user.served = self._turns.take(task.user_id, user.served, started=running > 0)
        user.seq += 1
        user.pending += pending
        user.running += running
        user.stored_bytes += stored_bytes
        self._changed.add(task.user_id)
        self.changes += 1
        return replace(task, seq=user.seq)

    def subtract_stored(self, task: Task) -> None:
        """Subtract a removed task's images from its user's stored bytes, without an event."""
        self._counts[task.user_id].stored_bytes -= task.stored_bytes
        self._changed.add(task.user_id)

    def forget(self, user_id: str) -> None:
        """Delete a locked user and all events with the commit, unless tasks or new events are there."""
        self._leaving.add(user_id)
        self.changes += 1

    @property
    def started(self) -> int:
        """How many tasks this transaction has started."""
        return self._turns.started

    def renumber_turns(self, started: int) -> None:
        """Assign the numbers of starts again if another process has counted some since the users were read.

        ``started`` is the number of the latest start before this transaction's.
        """
        if served := self._turns.renumbered(started):
            for user_id, number in served.items():
                self._counts[user_id].served = number
            self._changed.update(served)
            self.write()

    def write(self) -> None:
        """Write changed counts to the database."""
        if self._changed:
            self._connection.execute(
                statements.UPDATE_USER_COUNTERS,
                [{"of_user": name, **self._counts[name].columns} for name in sorted(self._changed)],
            )
        self._changed.clear()

    def delete_idle(self, active: Collection[str]) -> int:
        """Delete the users to be forgotten who are not ``active`` and have no task, with their events.

        Return the highest revision that was deleted, 0 for none.
        """
        leaving = self._leaving.difference(active)
        if not leaving:
            return 0
        left = self._connection.execute(statements.DELETE_IDLE_USERS, {"names": sorted(leaving)}).all()
        if not left:
            return 0
        names = [row.user_id for row in left]
        last: int = self._connection.execute(statements.LAST_EVENT_OF, {"names": names}).scalar_one() or 0
        self._connection.execute(statements.DELETE_EVENTS_OF, {"names": names})
        self._connection.execute(statements.NOTE_FORGOTTEN, {"through": max(row.seq for row in left)})
        return last
