"""One transaction on the log: state changes go in together with their events."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from generator_service.domain.clock import Clock
from generator_service.domain.event import EventType, TaskEvent
from generator_service.domain.task import Task, TaskState
from generator_service.store import rows, statements


class UnitOfWork:
    """State changes that are committed together, from one or many callers.

    An operation raises its domain errors before it changes anything: `changes` lets the writer see that. Events
    are buffered and numbered in `flush`, so that the head row is locked last and for the shortest time; commit
    order is then revision order (I1). Until then the rows of the users concerned are locked, and with them their tasks.
    """

    def __init__(self, connection: Connection, clock: Clock) -> None:
        self.connection = connection
        self.now: datetime
        """The time of the present operation: when all that it does happens."""
        self._clock = clock
        self.begin_operation()
        self.changes = 0
        self._recorded: list[tuple[EventType, Task]] = []
        self._compacted = 0

    def begin_operation(self) -> None:
        """Take the time for what follows; a batch may be long under way before its last operation's turn comes."""
        self.now = self._clock.now()

    def insert_task(
        self, task: Task, *, idempotency_key: str | None, fingerprint: str, picture_key: str | None
    ) -> Task:
        """Store a new task and its first event; return it with its id and seq."""
        numbered = self._advance_user(task, pending=1, running=0)
        values = rows.task_values(numbered) | {
            "idempotency_key": idempotency_key,
            "fingerprint": fingerprint,
            "picture_key": picture_key,
        }
        task_id = self.connection.execute(statements.ADD_TASK, values).scalar_one()
        stored = replace(numbered, task_id=task_id)
        self._recorded.append((EventType.CREATED, stored))
        return stored

    def update_task(self, before: Task, event: EventType, after: Task) -> Task:
        """Store a task as a transition left it, and the event; return it with its new seq."""
        numbered = self._advance_user(
            after,
            pending=(after.state is TaskState.PENDING) - (before.state is TaskState.PENDING),
            running=(after.state is TaskState.PROCESSING) - (before.state is TaskState.PROCESSING),
        )
        self.connection.execute(statements.CHANGE_TASK, rows.changing_values(numbered) | {"of_task": after.task_id})
        self._recorded.append((event, numbered))
        return numbered

    def add_user(self, user_id: str) -> None:
        """Make the row of a user who had no task yet."""
        empty = {"user_id": user_id, "seq": 0, "compacted_seq": 0, "pending": 0, "running": 0}
        self.connection.execute(statements.ADD_USER, empty)
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
        """Give the events their numbers and write them, as the last thing before the commit; return them."""
        if self._compacted:
            self.connection.execute(statements.NOTE_COMPACTED, {"through": self._compacted})
        if not self._recorded:
            return []
        head = self.connection.execute(statements.ADVANCE_LOG, {"more": len(self._recorded)}).scalar_one()
        first = head - len(self._recorded) + 1
        written = [
            TaskEvent(revision=revision, type=event, task=task)
            for revision, (event, task) in enumerate(self._recorded, start=first)
        ]
        self.connection.execute(statements.ADD_EVENTS, [rows.event_values(event) for event in written])
        return written

    def _advance_user(self, task: Task, *, pending: int, running: int) -> Task:
        seq = self.connection.execute(
            statements.ADVANCE_USER, {"of_user": task.user_id, "more_pending": pending, "more_running": running}
        ).scalar_one()
        self.changes += 1
        return replace(task, seq=seq)

    def task(self, task_id: int) -> Task | None:
        """Read a task in order to change it."""
        row = self.connection.execute(statements.TASK, {"task_id": task_id}).one_or_none()
        return None if row is None else rows.task_from_row(row)

    def user(self, user_id: str) -> Row[Any] | None:
        """Read a user's row in order to change it; None if there is none yet."""
        return self.connection.execute(statements.USER, {"user_id": user_id}).one_or_none()
