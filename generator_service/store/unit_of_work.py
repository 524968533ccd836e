"""One transaction on the log: state changes go in together with their events."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, CursorResult, Executable, Row

from generator_service.domain.clock import Clock
from generator_service.domain.event import EventType, TaskEvent
from generator_service.domain.task import Task, TaskState
from generator_service.store import rows, statements


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """What writers to one kind of database do in their own way."""

    begin: Callable[[Connection], None]
    """Begin to write."""
    new_ids: Callable[[Connection, int], Sequence[int]]
    """Return so many ids for new tasks, ascending, that were never given to a task and never will be again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Touched:
    """What an operation may change, as far as that is known beforehand: it is locked and read before all else.

    ``users`` are made where they are new, and each may get a new task; the users of ``tasks`` are found by these tasks.
    ``keys`` are pairs of a user and an idempotency key.
    """

    users: Collection[str] = ()
    tasks: Collection[int] = ()
    keys: Collection[tuple[str, str]] = ()


@dataclass(slots=True)
class UserCounts:
    """A user's row: the latest seq, and how many tasks wait and run."""

    seq: int
    pending: int
    running: int


class UnitOfWork:
    """State changes that are committed together, from one or many callers.

    The rows of the users concerned are locked first, and with them their tasks; from then on what is held here is what
    the database holds. Changes are made here and written many at a time: before a query that has to see them, and in
    `flush`. Events are numbered there too, so that the head row is locked last and for the shortest time; commit order
    is then revision order (I1).

    An operation raises its domain errors before it changes anything: `changes` lets the writer see that.
    """

    def __init__(self, connection: Connection, clock: Clock, backend: Backend) -> None:
        self.now: datetime
        """The time of the present operation: when all that it does happens."""
        self.changes = 0
        self._connection = connection
        self._clock = clock
        self._backend = backend
        self.begin_operation()
        self._users: dict[str, UserCounts] = {}
        self._tasks: dict[int, Task | None] = {}
        self._keyed: dict[tuple[str, str], tuple[int, str]] = {}
        """Idempotency keys: the task that each stands for, and the fingerprint of its request."""
        self._may_add = 0
        self._ids: Iterator[int] | None = None
        self._added: dict[int, dict[str, Any]] = {}
        """What is known of a new task's row beside the task."""
        self._changed: set[int] = set()
        self._moved: set[str] = set()
        self._recorded: list[tuple[EventType, Task]] = []
        self._compacted = 0

    def begin_operation(self) -> None:
        """Take the time for what follows; a batch may be long under way before its last operation's turn comes."""
        self.now = self._clock.now()

    def hold(self, touched: Sequence[Touched]) -> None:
        """Make the users who are new, lock all, both in order of their names; read what is to be changed.

        Whoever holds a user's row may change the user's tasks, and nothing else is waited for but the log's head at
        the end, so no two transactions can wait for each other.
        """
        users = sorted({user for each in touched for user in each.users})
        tasks = sorted({task for each in touched for task in each.tasks})
        keys = sorted({key for each in touched for key in each.keys})
        if users:
            self._connection.execute(statements.MAKE_USERS, [{"name": user} for user in users])
            self._may_add = sum(len(each.users) for each in touched)
        if users or tasks:
            self.adopt_users(self._connection.execute(statements.HOLD_USERS, {"names": users, "task_ids": tasks}))
        self.read_tasks(tasks)
        if keys:
            for row in self._connection.execute(statements.TASKS_BY_KEY, {"user_keys": keys}):
                self._tasks[row.task_id] = rows.task_from_row(row)
                self._keyed[row.user_id, row.idempotency_key] = row.task_id, row.fingerprint

    def query(self, statement: Executable, parameters: Mapping[str, Any] | None = None) -> CursorResult[Any]:
        """Execute a statement that sees all changes up to now."""
        self._write()
        return self._connection.execute(statement, parameters)

    def adopt_users(self, found: Iterable[Row[Any]]) -> list[str]:
        """Take over users whose rows this transaction has just locked; return their names."""
        names = []
        for row in found:
            self._users[row.user_id] = UserCounts(row.seq, row.pending, row.running)
            names.append(row.user_id)
        return names

    def read_tasks(self, task_ids: Collection[int]) -> list[Task]:
        """Return tasks of users who are held, in order to change them; those that there are."""
        if unread := [task_id for task_id in task_ids if task_id not in self._tasks]:
            self._tasks |= dict.fromkeys(unread)
            for row in self._connection.execute(statements.TASKS, {"task_ids": unread}):
                self._tasks[row.task_id] = rows.task_from_row(row)
        return [task for task_id in task_ids if (task := self._tasks[task_id]) is not None]

    def user(self, user_id: str) -> UserCounts:
        """Return the counts of a user who is held."""
        return self._users[user_id]

    def task(self, task_id: int) -> Task | None:
        """Return a task that was named in order to be changed; None if there is none of this id."""
        return self._tasks[task_id]

    def task_by_key(self, user_id: str, key: str) -> tuple[Task, str] | None:
        """Return the task that an idempotency key stands for and the fingerprint of its request; None if it is new."""
        task_id, fingerprint = self._keyed.get((user_id, key), (0, ""))
        task = self._tasks.get(task_id)
        return None if task is None else (task, fingerprint)

    def insert_task(
        self, task: Task, *, idempotency_key: str | None, fingerprint: str, picture_key: str | None
    ) -> Task:
        """Store a new task and its first event; return it with its id and seq."""
        stored = self._numbered(replace(task, task_id=self._new_id()), pending=1, running=0)
        self._tasks[stored.task_id] = stored
        self._added[stored.task_id] = {
            "idempotency_key": idempotency_key,
            "fingerprint": fingerprint,
            "picture_key": picture_key,
        }
        if idempotency_key is not None:
            self._keyed[stored.user_id, idempotency_key] = stored.task_id, fingerprint
        self._recorded.append((EventType.CREATED, stored))
        return stored

    def update_task(self, before: Task, event: EventType, after: Task) -> Task:
        """Store a task as a transition left it, and the event; return it with its new seq."""
        numbered = self._numbered(
            after,
            pending=(after.state is TaskState.PENDING) - (before.state is TaskState.PENDING),
            running=(after.state is TaskState.PROCESSING) - (before.state is TaskState.PROCESSING),
        )
        self._put(numbered)
        self._recorded.append((event, numbered))
        return numbered

    def renew_task(self, task: Task) -> None:
        """Store a task that has changed without changing its state."""
        self._put(task)
        self.changes += 1

    def forgotten(self, task_ids: Collection[int]) -> None:
        """Note that tasks were deleted."""
        self._tasks.update(dict.fromkeys(task_ids))
        self.changes += 1

    def compacted(self, revision: int) -> None:
        """Note that events were deleted, the highest of which was this one."""
        self._compacted = max(self._compacted, revision)
        self.changes += 1

    @property
    def has_events(self) -> bool:
        """Whether a state has changed."""
        return bool(self._recorded)

    def flush(self) -> list[TaskEvent]:
        """Write what is left, and as the last thing before the commit the events, numbered; return them."""
        self._write()
        if self._compacted:
            self._connection.execute(statements.NOTE_COMPACTED, {"through": self._compacted})
        if not self._recorded:
            return []
        head = self._connection.execute(statements.ADVANCE_LOG, {"more": len(self._recorded)}).scalar_one()
        first = head - len(self._recorded) + 1
        written = [
            TaskEvent(revision=revision, type=event, task=task)
            for revision, (event, task) in enumerate(self._recorded, start=first)
        ]
        self._connection.execute(statements.ADD_EVENTS, [rows.event_values(event) for event in written])
        return written

    def _new_id(self) -> int:
        if self._ids is None:
            self._ids = iter(self._backend.new_ids(self._connection, self._may_add))
        return next(self._ids)

    def _numbered(self, task: Task, *, pending: int, running: int) -> Task:
        user = self._users[task.user_id]
        user.seq += 1
        user.pending += pending
        user.running += running
        self._moved.add(task.user_id)
        self.changes += 1
        return replace(task, seq=user.seq)

    def _put(self, task: Task) -> None:
        self._tasks[task.task_id] = task
        if task.task_id not in self._added:
            self._changed.add(task.task_id)

    def _write(self) -> None:
        """Bring the database up to what is held here."""
        if self._added:
            self._connection.execute(
                statements.ADD_TASKS,
                [rows.task_values(task) | self._added[task.task_id] for task in self.read_tasks(self._added)],
            )
        if self._changed:
            self._connection.execute(
                statements.CHANGE_TASKS,
                [rows.changing_values(task) | {"of_task": task.task_id} for task in self.read_tasks(self._changed)],
            )
        if self._moved:
            moved = ((name, self._users[name]) for name in sorted(self._moved))
            self._connection.execute(
                statements.MOVE_USERS,
                [
                    {"of_user": name, "seq": user.seq, "pending": user.pending, "running": user.running}
                    for name, user in moved
                ],
            )
        self._added.clear()
        self._changed.clear()
        self._moved.clear()
