"""One transaction on the log: state changes go in together with their events."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, CursorResult, Executable, Row

from generator_service.domain import transitions
from generator_service.domain.batch import Batch
from generator_service.domain.clock import Clock
from generator_service.domain.event import EventType, TaskEvent
from generator_service.domain.task import NewTask, Task, TaskState
from generator_service.domain.task_options import Engine
from generator_service.domain.usage import Usage, day_of
from generator_service.store import rows, statements
from generator_service.store.backend import Backend
from generator_service.store.batch_rows import BatchRows
from generator_service.store.lock_set import LockSet
from generator_service.store.restored import renew_log
from generator_service.store.start_gates import StartGates
from generator_service.store.user_rows import UserRows


class UnitOfWork:
    """State changes that are committed together, from one or many callers.

    The rows of the users concerned are locked first, and with them their tasks; from then on the state here equals
    the database's. Changes are made here and written many at a time: before a query that has to see them, and in
    `flush`. Events are numbered there too, so that the head row is locked last and for the shortest time; commit
    order is then revision order (I1).

    An operation raises its domain errors before it changes anything: `changes` lets the writer see that.
    """

    def __init__(self, connection: Connection, clock: Clock, backend: Backend) -> None:
        self.now: datetime
        """The wall time of the present operation: when all that it does happens."""
        self._changes = 0
        self._connection = connection
        self._clock = clock
        self._backend = backend
        self.begin_operation()
        self.users = UserRows(connection)
        self.batches = BatchRows(connection)
        self.gates = StartGates(connection)
        self._tasks: dict[int, Task | None] = {}
        self._keyed: dict[tuple[str, str], tuple[int, str]] = {}
        """Idempotency keys: the task that each stands for, and the fingerprint of its request."""
        self._may_add = 0
        self._ids: Iterator[int] | None = None
        self._added: dict[int, dict[str, Any]] = {}
        """Values of a new task's row besides the task."""
        self._changed: set[int] = set()
        self._recorded: list[tuple[EventType, Task, Batch | None]] = []
        self._queue_time: datetime | None = None
        self._compacted = 0
        self._touched = False
        self._new_keys: list[dict[str, Any]] = []
        self._new_images: list[dict[str, Any]] = []
        self._used: defaultdict[tuple[str, date], Usage] = defaultdict(Usage)
        """Usage that is not written yet."""

    @property
    def changes(self) -> int:
        """How many changes were made up to now."""
        return self._changes + self.users.changes + self.batches.changes + self.gates.changes

    def count_changes(self, number: int = 1) -> None:
        """Count changes that an operation has written by `query`."""
        self._changes += number

    def begin_operation(self) -> None:
        """Take the time for what follows; a batch may be long under way before its last operation's turn comes."""
        self.now = self._clock.now()

    def lock(self, sets: Sequence[LockSet]) -> None:
        """Create new users and lock all, both in order of their names; read the rows to be changed.

        The lock of a user's row covers the user's tasks, and the only other lock is that of the log's head, taken
        last, so no two transactions can wait for each other.
        """
        users = sorted({user for each in sets for user in each.users})
        tasks = sorted({task for each in sets for task in each.tasks})
        keys = sorted({key for each in sets for key in each.keys})
        batches = sorted({batch for each in sets for batch in each.batches})
        self._may_add = sum(len(each.users) * each.new_tasks for each in sets)
        if users or tasks:
            self.users.lock(users, tasks)
        self.read_tasks(tasks)
        if keys:
            for row in self._connection.execute(statements.TASKS_BY_KEY, {"user_keys": keys}):
                self._tasks[row.task_id] = rows.task_from_row(row)
                self._keyed[row.user_id, row.idempotency_key] = row.task_id, row.fingerprint
            for row in self._connection.execute(statements.TASKS_BY_REUSE_KEY, {"user_keys": keys}):
                self._tasks[row.task_id] = rows.task_from_row(row)
                self._keyed[row.user_id, row.key] = row.task_id, row.asked
        if batches:
            self.batches.read(batches)

    @property
    def queue_time(self) -> datetime:
        """The time by which tasks are due and leases expire: read once, under the locks, for all operations."""
        if self._queue_time is None:
            self._queue_time = self._backend.queue_clock.read(self._connection)
        return self._queue_time

    def query(
        self, statement: Executable, parameters: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None
    ) -> CursorResult[Any]:
        """Execute a statement, once for each of several parameters, that sees all changes up to now."""
        self._write()
        return self._connection.execute(statement, parameters)

    def read_tasks(self, task_ids: Collection[int]) -> list[Task]:
        """Return the existing tasks, of locked users, in order to change them."""
        if unread := [task_id for task_id in task_ids if task_id not in self._tasks]:
            self._tasks |= dict.fromkeys(unread)
            for row in self._connection.execute(statements.TASKS, {"task_ids": unread}):
                self._tasks[row.task_id] = rows.task_from_row(row)
        return [task for task_id in task_ids if (task := self._tasks[task_id]) is not None]

    def task(self, task_id: int) -> Task | None:
        """Return a task that was named in order to be changed; None if there is none of this id."""
        return self._tasks[task_id]

    def task_by_key(self, user_id: str, key: str) -> tuple[Task, str] | None:
        """Return the task that an idempotency key stands for and the fingerprint of its request; None if it is new."""
        task_id, fingerprint = self._keyed.get((user_id, key), (0, ""))
        task = self._tasks.get(task_id)
        return None if task is None else (task, fingerprint)

    def record_key(self, task: Task, key: str, fingerprint: str) -> None:
        """Let an idempotency key stand for a task that was there before."""
        self._tasks.setdefault(task.task_id, task)
        self._keyed[task.user_id, key] = task.task_id, fingerprint
        self._new_keys.append(
            {
                "user_id": task.user_id,
                "idempotency_key": key,
                "task_id": task.task_id,
                "fingerprint": fingerprint,
            }
        )
        self._changes += 1

    def add_images(self, task: Task, images: Mapping[str, bytes]) -> None:
        """Store the small images of a task, by key; they are deleted with its row."""
        self._new_images += [{"key": key, "task_id": task.task_id, "data": data} for key, data in images.items()]

    def insert_task(self, task: Task, new: NewTask) -> Task:
        """Store a new task and its first event; return it with its id and seq."""
        numbered = replace(task, task_id=self._new_id())
        stored = self.users.number(numbered, pending=1, running=0, stored_bytes=task.stored_bytes)
        self._tasks[stored.task_id] = stored
        self._added[stored.task_id] = {
            "idempotency_key": new.idempotency_key,
            "fingerprint": new.fingerprint,
            "picture_key": new.picture_key,
        }
        if new.idempotency_key is not None:
            self._keyed[stored.user_id, new.idempotency_key] = stored.task_id, new.fingerprint
        self._recorded.append((EventType.CREATED, stored, None))
        self.batches.add_task(stored, closes=new.closes_batch)
        return stored

    def update_task(self, before: Task, event: EventType, after: Task) -> Task:
        """Store a task as a transition left it, and the event; return it with its new seq."""
        if before.state is TaskState.PROCESSING:
            self.gates.end_attempt(before.task_id)
            if before.attempt_usage is not None:
                self.count_usage(before.user_id, before.attempt_usage)
        numbered = self.users.number(
            after,
            pending=(after.state is TaskState.PENDING) - (before.state is TaskState.PENDING),
            running=(after.state is TaskState.PROCESSING) - (before.state is TaskState.PROCESSING),
            stored_bytes=after.stored_bytes - before.stored_bytes,
        )
        self._put(numbered)
        self._recorded.append((event, numbered, None))
        if after.state.terminal and not before.state.terminal:
            self.batches.end_task(after)
        return numbered

    def count_usage(self, user_id: str, used: Usage) -> None:
        """Add to a locked user's usage of the day, with the event that is its cause."""
        if used != Usage():
            self._used[user_id, day_of(self.now)] += used

    def full_engines(self) -> set[Engine]:
        """Return the engines that may start no further task now; their limits are locked until the commit."""
        return self.gates.full_engines(self.query, self.queue_time)

    def count_start(self, engine: Engine) -> None:
        """Count a start against the engine's limit, if it has one."""
        self.gates.count_start(engine, self.query, self.queue_time)

    def lock_head(self) -> Row[Any]:
        """Lock the log's head before the end, and return it.

        The breakers are locked first: a later operation of the batch may change one, and they come before the head.
        """
        self.gates.lock()
        return self._connection.execute(statements.LOCK_HEAD).one()

    def touch(self) -> None:
        """Let the transaction write, though nothing may have changed."""
        self._touched = True

    def renew_task(self, task: Task) -> None:
        """Store a task that has changed without changing its state."""
        self._put(task)
        self._changes += 1

    def delete_tasks(self, tasks: Collection[Task]) -> None:
        """Remove the rows of ended tasks, and record the last event of each."""
        # The rows of new tasks are written first, so that their ids count as given out.
        self._write()
        for task in tasks:
            last = transitions.delete(task, at=self.now)
            last = self.users.number(last, pending=0, running=0, stored_bytes=-task.stored_bytes)
            self._recorded.append((EventType.DELETED, last, None))
        self._remove(tasks)

    def forget_tasks(self, tasks: Collection[Task]) -> None:
        """Remove the rows of ended tasks without an event; a user without tasks is deleted with the commit."""
        for task in tasks:
            self.users.subtract_stored(task)
            self.users.forget(task.user_id)
        self._remove(tasks)

    def _remove(self, tasks: Collection[Task]) -> None:
        ids = [task.task_id for task in tasks]
        self._bequeath_images(tasks)
        self.query(statements.DELETE_TASKS, {"task_ids": ids})
        self._tasks |= dict.fromkeys(ids)
        for task in tasks:
            self.batches.end_task(task)
        self._changes += 1

    def _bequeath_images(self, tasks: Collection[Task]) -> None:
        """Hand over the small images that other tasks use too to one of these, since they are deleted with a row."""
        asked = {
            "keys": [key for task in tasks for key in task.input.blobs],
            "task_ids": [task.task_id for task in tasks],
        }
        heirs = [
            {"of_image": row.key, "heir": row.heir} for query in statements.HEIRS for row in self.query(query, asked)
        ]
        if heirs:
            self._connection.execute(statements.MOVE_IMAGE, heirs)

    def compacted(self, revision: int) -> None:
        """Note that events were deleted, the highest of which was this one."""
        self._compacted = max(self._compacted, revision)
        self._changes += 1

    def renew_log(self, seen: str) -> None:
        """Give the log a new epoch if its present one is ``seen``."""
        if self.lock_head().epoch == seen:
            renew_log(self._connection, self._backend.skip_ids)
            self._changes += 1

    @property
    def has_events(self) -> bool:
        """Whether a state has changed."""
        return bool(self._recorded)

    def flush(self) -> list[TaskEvent]:
        """Write remaining changes and, just before the commit, the numbered events; return them."""
        self._write()
        self._finish_batches()
        last_deleted = self.users.delete_idle({task.user_id for _, task, _ in self._recorded})
        self._compacted = max(self._compacted, last_deleted)
        if self._compacted:
            self._connection.execute(statements.NOTE_COMPACTED, {"through": self._compacted})
        if not self._recorded:
            if self._touched:
                self._connection.execute(statements.PROBE)
            return []
        starts = self.users.started
        head = self._connection.execute(
            statements.ADVANCE_LOG,
            {"more": len(self._recorded), "starts": starts, "queue_time": self._backend.queue_clock.estimate()},
        ).one()
        self.users.renumber_turns(head.started - starts)
        first = head.revision - len(self._recorded) + 1
        written = [
            TaskEvent(revision=revision, type=event, task=task, batch=batch)
            for revision, (event, task, batch) in enumerate(self._recorded, start=first)
        ]
        self._connection.execute(statements.ADD_EVENTS, [rows.event_values(event) for event in written])
        return written

    def _finish_batches(self) -> None:
        """Record the ends of batches, each carried by the batch's newest task."""
        finished = self.batches.finish(self.now)
        if not finished:
            return
        carriers = self.read_tasks([newest for _, newest in finished])
        for (batch, _), task in zip(finished, carriers, strict=True):
            numbered = self.users.number(task, pending=0, running=0, stored_bytes=0)
            self._put(numbered)
            self._recorded.append((EventType.BATCH_FINISHED, numbered, batch))
        self._write()

    def _new_id(self) -> int:
        if self._ids is None:
            self._ids = iter(self._backend.new_ids(self._connection, self._may_add))
        return next(self._ids)

    def _put(self, task: Task) -> None:
        self._tasks[task.task_id] = task
        if task.task_id not in self._added:
            self._changed.add(task.task_id)

    def _write(self) -> None:
        """Write the pending changes to the database."""
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
        self.batches.write()
        if self._new_images:
            self._connection.execute(statements.ADD_IMAGES, self._new_images)
        if self._new_keys:
            self._connection.execute(statements.ADD_KEYS, self._new_keys)
        if self._used:
            # In the order of the users, whose locked rows cover these.
            used = [
                {"user_id": user, "day": day, **amounts.columns} for (user, day), amounts in sorted(self._used.items())
            ]
            self._connection.execute(statements.ADD_USAGE, used)
        self.users.write()
        self._added.clear()
        self._new_keys.clear()
        self._new_images.clear()
        self._changed.clear()
        self._used.clear()
