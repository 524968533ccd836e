"""Every read, as a function of a connection inside one read transaction."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import BindParameter, Connection, bindparam, func, select

from generator_service.domain.errors import TaskNotFound
from generator_service.domain.event import TaskEvent
from generator_service.domain.task import TERMINAL_STATES, Task, TaskState
from generator_service.store import rows, statements
from generator_service.store.contract import EventPage, Head, QueueCounts, Snapshot, TaskPage
from generator_service.store.tables import INPUT_BLOB, RESULT_BLOB, THUMBNAIL_BLOB, events, tasks

_RUN_TIMES = select(tasks.c.run_at).where(tasks.c.state == TaskState.PENDING.value)
_TERMINAL = [state.value for state in TERMINAL_STATES]
_KEYS: BindParameter[str] = bindparam("keys", expanding=True)
# Where a partial index is to be found, its condition stands in the statement too.
NAMED_BLOBS = (
    select(INPUT_BLOB).where(INPUT_BLOB.in_(_KEYS)),
    select(RESULT_BLOB).where(tasks.c.result.is_not(None), RESULT_BLOB.in_(_KEYS)),
    select(THUMBNAIL_BLOB).where(tasks.c.result.is_not(None), THUMBNAIL_BLOB.in_(_KEYS)),
)


def log_position(connection: Connection) -> Head:
    """Read the head of the whole log."""
    row = connection.execute(statements.LOG_HEAD).one()
    return Head(epoch=row.epoch, position=row.revision, compacted=row.compacted_revision)


def user_position(connection: Connection, user_id: str) -> Head:
    """Read the head of one user's log."""
    epoch = log_position(connection).epoch
    row = connection.execute(statements.USER, {"user_id": user_id}).one_or_none()
    if row is None:
        return Head(epoch=epoch, position=0, compacted=0)
    return Head(epoch=epoch, position=row.seq, compacted=row.compacted_seq)


def get(connection: Connection, task_id: int, user_id: str | None) -> Task:
    """Read a task."""
    row = connection.execute(statements.TASK, {"task_id": task_id}).one_or_none()
    if row is None or (user_id is not None and row.user_id != user_id):
        raise TaskNotFound(task_id)
    return rows.task_from_row(row)


def list_tasks(
    connection: Connection,
    user_id: str,
    *,
    states: Collection[TaskState],
    before: int | None,
    skip: int,
    limit: int,
) -> TaskPage:
    """Read a page of a user's tasks, newest first."""
    matching = [tasks.c.user_id == user_id]
    if states:
        matching.append(tasks.c.state.in_([state.value for state in states]))
    total = connection.execute(select(func.count()).select_from(tasks).where(*matching)).scalar_one()
    if before is not None:
        matching.append(tasks.c.task_id < before)
    page = connection.execute(
        select(tasks).where(*matching).order_by(tasks.c.task_id.desc()).offset(skip).limit(limit + 1)
    ).all()
    return TaskPage(
        tasks=[rows.task_from_row(row) for row in page[:limit]],
        total=total,
        head=user_position(connection, user_id),
        has_more=len(page) > limit,
    )


def events_after(connection: Connection, revision: int, limit: int) -> EventPage:
    """Read the whole log after a revision."""
    page = connection.execute(statements.EVENTS_AFTER, {"after": revision, "at_most": limit}).all()
    return EventPage([rows.event_from_row(row) for row in page], log_position(connection))


def user_events_after(connection: Connection, user_id: str, seq: int, limit: int, through: int | None) -> EventPage:
    """Read a user's log after a seq, no further than revision ``through``."""
    wanted = select(events).where(events.c.user_id == user_id, events.c.seq > seq)
    if through is not None:
        wanted = wanted.where(events.c.revision <= through)
    page = connection.execute(wanted.order_by(events.c.seq).limit(limit)).all()
    return EventPage([rows.event_from_row(row) for row in page], user_position(connection, user_id))


def is_logged(connection: Connection, event: TaskEvent) -> bool:
    """Return whether this very event is in the log, and not another that took its revision."""
    page = connection.execute(statements.EVENTS_AFTER, {"after": event.revision - 1, "at_most": 1}).all()
    return [rows.event_from_row(row) for row in page] == [event]


def latest_events(connection: Connection, limit: int) -> EventPage:
    """Read the end of the log, oldest first."""
    page = connection.execute(select(events).order_by(events.c.revision.desc()).limit(limit)).all()
    return EventPage([rows.event_from_row(row) for row in reversed(page)], log_position(connection))


def snapshot(connection: Connection, user_id: str | None) -> Snapshot:
    """Read all kept tasks of a user, or of all, oldest first."""
    wanted = select(tasks).order_by(tasks.c.task_id)
    if user_id is not None:
        wanted = wanted.where(tasks.c.user_id == user_id)
    head = log_position(connection)
    return Snapshot(
        tasks=[rows.task_from_row(row) for row in connection.execute(wanted)],
        revision=head.position,
        head=head if user_id is None else user_position(connection, user_id),
    )


def unfinished(connection: Connection) -> Snapshot:
    """Read all tasks that are not terminal, oldest first."""
    head = log_position(connection)
    live = select(tasks).where(tasks.c.state.not_in(_TERMINAL)).order_by(tasks.c.task_id)
    return Snapshot(
        tasks=[rows.task_from_row(row) for row in connection.execute(live)], revision=head.position, head=head
    )


def next_run_at(connection: Connection, after: datetime) -> datetime | None:
    """Read when the next pending task becomes runnable that was not yet at ``after``."""
    return connection.execute(
        _RUN_TIMES.where(tasks.c.run_at > after).order_by(tasks.c.run_at).limit(1)
    ).scalar_one_or_none()


def counts(connection: Connection) -> QueueCounts:
    """Count the queue."""
    by_state = connection.execute(select(tasks.c.state, func.count()).group_by(tasks.c.state)).all()
    return QueueCounts(
        by_state={TaskState(state): count for state, count in by_state},
        oldest_runnable=connection.execute(_RUN_TIMES.order_by(tasks.c.run_at).limit(1)).scalar_one_or_none(),
    )


def finished_before(connection: Connection, cutoff: datetime, limit: int) -> list[Task]:
    """Read terminal tasks that ended before a time."""
    ended = (
        select(tasks)
        .where(tasks.c.state.in_(_TERMINAL), tasks.c.finished_at < cutoff)
        .order_by(tasks.c.finished_at)
        .limit(limit)
    )
    return [rows.task_from_row(row) for row in connection.execute(ended)]


def named_blobs(connection: Connection, keys: Collection[str]) -> set[str]:
    """Read which of these keys tasks name."""
    asked = {"keys": list(keys)}
    return {key for named in NAMED_BLOBS for key in connection.execute(named, asked).scalars()}
