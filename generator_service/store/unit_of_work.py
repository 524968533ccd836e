"""One transaction on the log: state changes go in together with their events."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, CursorResult, Executable, Row

from generator_service.domain import transitions
from generator_service.domain.batch import Batch
from generator_service.domain.breaker import Breaker
from generator_service.domain.claim_order import Starts
from generator_service.domain.clock import Clock
from generator_service.domain.engine_limit import EngineLimit
from generator_service.domain.event import EventType, TaskEvent
from generator_service.domain.task import Engine, NewTask, Task, TaskState
from generator_service.domain.usage import Usage, day_of
from generator_service.store import rows, statements
from generator_service.store.limits import UserLimits
from generator_service.store.queue_clock import QueueClock
from generator_service.store.restored import renew_log


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """What writers to one kind of database do in their own way."""

    begin: Callable[[Connection], None]
    """Begin to write."""
    new_ids: Callable[[Connection, int], Sequence[int]]
    """Return so many ids for new tasks, ascending, that were never given to a task and never will be again."""
    skip_ids: Callable[[Connection, int], object]
    """Make sure that the ids of new tasks are greater than a number."""
    queue_clock: QueueClock
    """The time by which tasks become due and leases expire."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Touched:
    """Rows that an operation may change, as far as known in advance: they are locked and read first.

    ``users`` are made where they are new, and each may get ``new_tasks`` tasks; the users of ``tasks`` are found by
    these tasks.
    ``keys`` are pairs of a user and an idempotency key, ``batches`` of a user and a batch's name.
    """

    users: Collection[str] = ()
    new_tasks: int = 1
    tasks: Collection[int] = ()
    keys: Collection[tuple[str, str]] = ()
    batches: Collection[tuple[str, str]] = ()


@dataclass(slots=True)
class UserCounts:
    """A user's row: the latest seq, how many tasks wait and run, the latest start's number, and the bytes stored."""

    seq: int
    pending: int
    running: int
    served: int
    stored_bytes: int


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
        """Values of a new task's row besides the task."""
        self._changed: set[int] = set()
        self._moved: set[str] = set()
        self._recorded: list[tuple[EventType, Task, Batch | None]] = []
        self._closed: dict[tuple[str, str], bool] = {}
        """Batches that were named in advance or begun, and whether each is closed."""
        self._new_batches: list[dict[str, Any]] = []
        self._changed_batches: set[tuple[str, str]] = set()
        """Batches that may have ended: one was closed, or one of its tasks ended or was removed."""
        self._queue_time: datetime | None = None
        self._starts = Starts()
        """As of the first read of users; equals the log's unless other processes start tasks in the meantime."""
        self._turns: list[tuple[str, bool]] = []
        """Users who were served (True) or joined the queue (False), in the order of their events."""
        self._served_before: dict[str, int] = {}
        self._compacted = 0
        self._breakers: dict[str, Breaker] | None = None
        self._limits: dict[Engine, EngineLimit] = {}
        self._assigned: Counter[Engine] | None = None
        self._user_limits: dict[str, UserLimits] = {}
        self._breakers_held = False
        self._touched = False
        self._leaving: set[str] = set()
        self._new_keys: list[dict[str, Any]] = []
        self._new_images: list[dict[str, Any]] = []
        self._used: defaultdict[tuple[str, date], Usage] = defaultdict(Usage)
        """Usage that is not written yet."""

    def begin_operation(self) -> None:
        """Take the time for what follows; a batch may be long under way before its last operation's turn comes."""
        self.now = self._clock.now()

    def hold(self, touched: Sequence[Touched]) -> None:
        """Create new users and lock all, both in order of their names; read the rows to be changed.

        The lock of a user's row covers the user's tasks, and the only other lock is that of the log's head, taken
        last, so no two transactions can wait for each other.
        """
        users = sorted({user for each in touched for user in each.users})
        tasks = sorted({task for each in touched for task in each.tasks})
        keys = sorted({key for each in touched for key in each.keys})
        batches = sorted({batch for each in touched for batch in each.batches})
        self._may_add = sum(len(each.users) * each.new_tasks for each in touched)
        if users or tasks:
            self._hold_users(users, tasks)
        self._begin_logs()
        self.read_tasks(tasks)
        if keys:
            for row in self._connection.execute(statements.TASKS_BY_KEY, {"user_keys": keys}):
                self._tasks[row.task_id] = rows.task_from_row(row)
                self._keyed[row.user_id, row.idempotency_key] = row.task_id, row.fingerprint
            for row in self._connection.execute(statements.TASKS_BY_REUSE_KEY, {"user_keys": keys}):
                self._tasks[row.task_id] = rows.task_from_row(row)
                self._keyed[row.user_id, row.key] = row.task_id, row.asked
        if batches:
            for row in self._connection.execute(statements.BATCHES, {"batches": batches}):
                self._closed[row.user_id, row.batch_id] = row.closed

    def _hold_users(self, users: Sequence[str], tasks: Sequence[int]) -> None:
        missing = users
        while True:
            if missing:
                self._connection.execute(statements.MAKE_USERS, [{"name": user} for user in missing])
            held = self._connection.execute(statements.HOLD_USERS, {"names": users, "task_ids": tasks}).all()
            self.adopt_users(held)
            self._user_limits |= {row.user_id: rows.user_limits_from_row(row) for row in held}
            missing = [user for user in users if user not in self._users]
            if not missing:
                return
            # Another process has deleted them while their rows were waited for.

    def _begin_logs(self) -> None:
        """Let the logs of new users begin where no cursor of a deleted user of the same name reaches."""
        new = [name for name, user in self._users.items() if user.seq == 0]
        # Read after the rows were locked: who deleted one of them has committed the mark with it.
        base = self._connection.execute(statements.LOG_HEAD).one().forgotten_seq if new else 0
        if base:
            self._connection.execute(statements.BEGIN_LOGS, [{"name": name, "base": base} for name in new])
            for name in new:
                self._users[name].seq = base

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

    def adopt_users(self, found: Iterable[Row[Any]]) -> list[str]:
        """Take over users whose rows this transaction has just locked; return their names."""
        names = []
        for row in found:
            if not self._users:
                self._starts = Starts(row.started)
            self._users[row.user_id] = UserCounts(row.seq, row.pending, row.running, row.served, row.stored_bytes)
            names.append(row.user_id)
        return names

    def read_tasks(self, task_ids: Collection[int]) -> list[Task]:
        """Return the existing tasks, of locked users, in order to change them."""
        if unread := [task_id for task_id in task_ids if task_id not in self._tasks]:
            self._tasks |= dict.fromkeys(unread)
            for row in self._connection.execute(statements.TASKS, {"task_ids": unread}):
                self._tasks[row.task_id] = rows.task_from_row(row)
        return [task for task_id in task_ids if (task := self._tasks[task_id]) is not None]

    def user(self, user_id: str) -> UserCounts:
        """Return the counts of a locked user."""
        return self._users[user_id]

    def limits_of(self, user_id: str) -> UserLimits:
        """Return the limits that a user named by the operation has in place of the defaults."""
        return self._user_limits.get(user_id, UserLimits())

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
        self.changes += 1

    def add_images(self, task: Task, images: Mapping[str, bytes]) -> None:
        """Store the small images of a task, by key; they are deleted with its row."""
        self._new_images += [{"key": key, "task_id": task.task_id, "data": data} for key, data in images.items()]

    def insert_task(self, task: Task, new: NewTask) -> Task:
        """Store a new task and its first event; return it with its id and seq."""
        stored = self._numbered(
            replace(task, task_id=self._new_id()), pending=1, running=0, stored_bytes=task.stored_bytes
        )
        self._tasks[stored.task_id] = stored
        self._added[stored.task_id] = {
            "idempotency_key": new.idempotency_key,
            "fingerprint": new.fingerprint,
            "picture_key": new.picture_key,
        }
        if new.idempotency_key is not None:
            self._keyed[stored.user_id, new.idempotency_key] = stored.task_id, new.fingerprint
        self._recorded.append((EventType.CREATED, stored, None))
        if (batch := _batch_of(stored)) is not None and batch not in self._closed:
            self._closed[batch] = new.closes_batch
            begun = {"created_at": stored.created_at, "closed": new.closes_batch, "finished_at": None}
            self._new_batches.append({"user_id": batch[0], "batch_id": batch[1], **begun})
        return stored

    def update_task(self, before: Task, event: EventType, after: Task) -> Task:
        """Store a task as a transition left it, and the event; return it with its new seq."""
        if before.state is TaskState.PROCESSING:
            self._end_probes(before.task_id)
            self._assigned = None
            if before.attempt_usage is not None:
                self.count_usage(before.user_id, before.attempt_usage)
        numbered = self._numbered(
            after,
            pending=(after.state is TaskState.PENDING) - (before.state is TaskState.PENDING),
            running=(after.state is TaskState.PROCESSING) - (before.state is TaskState.PROCESSING),
            stored_bytes=after.stored_bytes - before.stored_bytes,
        )
        self._put(numbered)
        self._recorded.append((event, numbered, None))
        if after.state.terminal and not before.state.terminal:
            self._change_batch(after)
        return numbered

    def count_usage(self, user_id: str, used: Usage) -> None:
        """Add to a locked user's usage of the day, with the event that is its cause."""
        if used != Usage():
            self._used[user_id, day_of(self.now)] += used

    def batch_closed(self, user_id: str, batch_id: str) -> bool | None:
        """Return whether a batch that was named in advance is closed; None if there is no such batch."""
        return self._closed.get((user_id, batch_id))

    def close_batch(self, user_id: str, batch_id: str) -> None:
        """Close a batch that was named in advance."""
        self.query(statements.CLOSE_BATCH, {"of_user": user_id, "of_batch": batch_id})
        self._closed[user_id, batch_id] = True
        self.settle_batch(user_id, batch_id)

    def settle_batch(self, user_id: str, batch_id: str) -> None:
        """Finish a batch of a locked user with the commit if it has ended, and delete it if it has no task."""
        self._changed_batches.add((user_id, batch_id))
        self.changes += 1

    def _change_batch(self, task: Task) -> None:
        if (batch := _batch_of(task)) is not None:
            self._changed_batches.add(batch)

    def breakers(self) -> Mapping[str, Breaker]:
        """Return the breakers that were ever opened, by name, as they were when this transaction first looked."""
        if self._breakers is None:
            self._breakers = self._read_breakers(statements.BREAKERS)
        return self._breakers

    def change_breaker(self, name: str, change: Callable[[Breaker], Breaker]) -> Breaker:
        """Lock the breakers, change one as it is now, and return it.

        They are locked after all users and before the log's head, so that no two transactions wait for each other.
        """
        if not self._breakers_held or name not in self.breakers():
            self._connection.execute(statements.MAKE_BREAKER, {"name": name})
            self._hold_breakers()
        before = self.breakers()[name]
        after = change(before)
        if after != before:
            self._breakers = {**self.breakers(), name: after}
            self._connection.execute(statements.CHANGE_BREAKER, rows.breaker_values(after) | {"of_breaker": name})
            self.changes += 1
        return after

    def full_engines(self) -> set[Engine]:
        """Return the engines that may start no further task now, counted over all workers.

        Their limits are locked until the commit, together with the breakers.
        """
        self.breakers()
        if not self._limits:
            return set()
        if not self._breakers_held:
            self._hold_breakers()
        running = self._running_by_engine()
        return {engine for engine, each in self._limits.items() if not each.admits(running[engine], self.queue_time)}

    def count_start(self, engine: Engine) -> None:
        """Count a start against the engine's limit, if it has one."""
        if engine in self._limits:
            self._running_by_engine()[engine] += 1
            self.set_limit(self._limits[engine].start(self.queue_time))

    def set_limit(self, limit: EngineLimit) -> None:
        """Store an engine's limit."""
        name = rows.limit_name(limit.engine)
        if limit.engine not in self.limits():
            self._connection.execute(statements.MAKE_BREAKER, {"name": name})
            self._hold_breakers()
        self._limits[limit.engine] = limit
        self._connection.execute(statements.CHANGE_BREAKER, rows.limit_values(limit) | {"of_breaker": name})
        self.changes += 1

    def limits(self) -> Mapping[Engine, EngineLimit]:
        """Return the limits of engines."""
        self.breakers()
        return self._limits

    def _running_by_engine(self) -> Counter[Engine]:
        """Return how many tasks run on each engine, in all processes; read under the lock of the limits."""
        if self._assigned is None:
            found = self.query(statements.RUNNING_BY_ENGINE)
            self._assigned = Counter({Engine(row.engine): row.tasks for row in found if row.engine in set(Engine)})
        return self._assigned

    def _hold_breakers(self) -> None:
        self._breakers = self._read_breakers(statements.HOLD_BREAKERS)
        self._breakers_held = True

    def hold_head(self) -> Row[Any]:
        """Lock the log's head before the end, and return it.

        The breakers are locked first: a later operation of the batch may change one, and they come before the head.
        """
        if not self._breakers_held:
            self._hold_breakers()
        return self._connection.execute(statements.LOCK_HEAD).one()

    def touch(self) -> None:
        """Let the transaction write, though nothing may have changed."""
        self._touched = True

    def _read_breakers(self, statement: Executable) -> dict[str, Breaker]:
        breakers, self._limits = rows.breakers_and_limits(self._connection.execute(statement))
        return breakers

    def _end_probes(self, task_id: int) -> None:
        for name, breaker in self.breakers().items():
            if breaker.probe_task == task_id:
                self.change_breaker(name, lambda breaker: breaker.end_probe(task_id))

    def renew_task(self, task: Task) -> None:
        """Store a task that has changed without changing its state."""
        self._put(task)
        self.changes += 1

    def delete_tasks(self, tasks: Collection[Task]) -> None:
        """Remove the rows of ended tasks, and record the last event of each."""
        # The rows of new tasks are written first, so that their ids count as given out.
        self._write()
        for task in tasks:
            last = transitions.delete(task, at=self.now)
            last = self._numbered(last, pending=0, running=0, stored_bytes=-task.stored_bytes)
            self._recorded.append((EventType.DELETED, last, None))
        self._remove(tasks)

    def forget_tasks(self, tasks: Collection[Task]) -> None:
        """Remove the rows of ended tasks without an event; a user without tasks is deleted with the commit."""
        for task in tasks:
            self._users[task.user_id].stored_bytes -= task.stored_bytes
            self._moved.add(task.user_id)
            self.forget_user(task.user_id)
        self._remove(tasks)

    def _remove(self, tasks: Collection[Task]) -> None:
        ids = [task.task_id for task in tasks]
        self._bequeath_images(tasks)
        self.query(statements.DELETE_TASKS, {"task_ids": ids})
        self._tasks |= dict.fromkeys(ids)
        for task in tasks:
            self._change_batch(task)
        self.changes += 1

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

    def forget_user(self, user_id: str) -> None:
        """Delete a locked user and all events with the commit, unless tasks or new events are there."""
        self._leaving.add(user_id)
        self.changes += 1

    def compacted(self, revision: int) -> None:
        """Note that events were deleted, the highest of which was this one."""
        self._compacted = max(self._compacted, revision)
        self.changes += 1

    def renew_log(self, seen: str) -> None:
        """Give the log a new epoch if its present one is ``seen``."""
        if self.hold_head().epoch == seen:
            renew_log(self._connection, self._backend.skip_ids)
            self.changes += 1

    @property
    def has_events(self) -> bool:
        """Whether a state has changed."""
        return bool(self._recorded)

    def flush(self) -> list[TaskEvent]:
        """Write remaining changes and, just before the commit, the numbered events; return them."""
        self._write()
        self._settle_batches()
        self._delete_idle_users()
        if self._compacted:
            self._connection.execute(statements.NOTE_COMPACTED, {"through": self._compacted})
        if not self._recorded:
            if self._touched:
                self._connection.execute(statements.PROBE)
            return []
        starts = sum(started for _, started in self._turns)
        head = self._connection.execute(
            statements.ADVANCE_LOG,
            {"more": len(self._recorded), "starts": starts, "queue_time": self._backend.queue_clock.estimate()},
        ).one()
        self._take_turns_after(head.started - starts)
        first = head.revision - len(self._recorded) + 1
        written = [
            TaskEvent(revision=revision, type=event, task=task, batch=batch)
            for revision, (event, task, batch) in enumerate(self._recorded, start=first)
        ]
        self._connection.execute(statements.ADD_EVENTS, [rows.event_values(event) for event in written])
        return written

    def _settle_batches(self) -> None:
        """Record the ends of batches whose last task has ended, and delete those whose last task was removed."""
        if not self._changed_batches:
            return
        named = {"batches": sorted(self._changed_batches)}
        counts: defaultdict[tuple[str, str], dict[TaskState, int]] = defaultdict(dict)
        newest: defaultdict[tuple[str, str], int] = defaultdict(int)
        for row in self._connection.execute(statements.COUNT_BATCHES, named):
            key = row.user_id, row.batch_id
            counts[key][TaskState(row.state)] = row.tasks
            newest[key] = max(newest[key], row.newest)
        if empty := sorted(self._changed_batches - counts.keys()):
            self._connection.execute(statements.DELETE_BATCHES, {"batches": empty})
        found = [
            rows.batch_from_row(row, counts[row.user_id, row.batch_id])
            for row in self._connection.execute(statements.BATCHES, named).all()
        ]
        ended = [replace(batch, finished_at=self.now) for batch in found if batch.ended and batch.finished_at is None]
        if not ended:
            return
        carriers = self.read_tasks([newest[batch.user_id, batch.batch_id] for batch in ended])
        for batch, task in zip(ended, carriers, strict=True):
            numbered = self._numbered(task, pending=0, running=0, stored_bytes=0)
            self._put(numbered)
            self._recorded.append((EventType.BATCH_FINISHED, numbered, batch))
        self._connection.execute(
            statements.FINISH_BATCH,
            [{"of_user": each.user_id, "of_batch": each.batch_id, "at": each.finished_at} for each in ended],
        )
        self._write()

    def _delete_idle_users(self) -> None:
        """Delete those of the users who lost tasks that have none left, with their events."""
        leaving = self._leaving - {task.user_id for _, task, _ in self._recorded}
        if not leaving:
            return
        left = self._connection.execute(statements.DELETE_IDLE_USERS, {"names": sorted(leaving)}).all()
        if not left:
            return
        names = [row.user_id for row in left]
        self._compacted = max(
            self._compacted, self._connection.execute(statements.LAST_EVENT_OF, {"names": names}).scalar_one() or 0
        )
        self._connection.execute(statements.DELETE_EVENTS_OF, {"names": names})
        self._connection.execute(statements.NOTE_FORGOTTEN, {"through": max(row.seq for row in left)})

    def _new_id(self) -> int:
        if self._ids is None:
            self._ids = iter(self._backend.new_ids(self._connection, self._may_add))
        return next(self._ids)

    def _numbered(self, task: Task, *, pending: int, running: int, stored_bytes: int) -> Task:
        user = self._users[task.user_id]
        if running > 0 or (pending > 0 and not user.pending):
            self._take_turn(task.user_id, started=running > 0)
        user.seq += 1
        user.pending += pending
        user.running += running
        user.stored_bytes += stored_bytes
        self._moved.add(task.user_id)
        self.changes += 1
        return replace(task, seq=user.seq)

    def _take_turn(self, user_id: str, *, started: bool) -> None:
        """Move a user to the end of the round, or let the user join it."""
        user = self._users[user_id]
        self._served_before.setdefault(user_id, user.served)
        self._turns.append((user_id, started))
        user.served = self._starts.start() if started else self._starts.join(user.served)

    def _take_turns_after(self, started: int) -> None:
        """Assign the numbers again if another process has counted starts since this one looked."""
        if not self._turns or self._starts.count == started + sum(turn for _, turn in self._turns):
            return
        for user_id, served in self._served_before.items():
            self._users[user_id].served = served
        starts = Starts(started)
        for user_id, turn in self._turns:
            user = self._users[user_id]
            user.served = starts.start() if turn else starts.join(user.served)
        self._moved.update(self._served_before)
        self._write()

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
        if self._new_batches:
            self._connection.execute(statements.ADD_BATCHES, self._new_batches)
        if self._new_images:
            self._connection.execute(statements.ADD_IMAGES, self._new_images)
        if self._new_keys:
            self._connection.execute(statements.ADD_KEYS, self._new_keys)
        if self._used:
            # In the order of the users, whose locked rows cover these.
            used = [
                {"user_id": user, "day": day, **asdict(amounts)} for (user, day), amounts in sorted(self._used.items())
            ]
            self._connection.execute(statements.ADD_USAGE, used)
        if self._moved:
            moved = ((name, self._users[name]) for name in sorted(self._moved))
            self._connection.execute(
                statements.MOVE_USERS,
                [
                    {
                        "of_user": name,
                        "seq": user.seq,
                        "pending": user.pending,
                        "running": user.running,
                        "served": user.served,
                        "stored_bytes": user.stored_bytes,
                    }
                    for name, user in moved
                ],
            )
        self._added.clear()
        self._new_keys.clear()
        self._new_batches.clear()
        self._new_images.clear()
        self._changed.clear()
        self._used.clear()
        self._moved.clear()


def _batch_of(task: Task) -> tuple[str, str] | None:
    return None if task.batch_id is None else (task.user_id, task.batch_id)
