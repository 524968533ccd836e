"""Every read, as a function of a connection inside one read transaction."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, func, or_, select

from generator_service.domain.batch import Batch
from generator_service.domain.breaker import Breaker
from generator_service.domain.claim_order import CREDIT
from generator_service.domain.errors import BatchNotFound, TaskNotFound
from generator_service.domain.event import TaskEvent
from generator_service.domain.readiness import Backlog
from generator_service.domain.routing import Routing
from generator_service.domain.task import TERMINAL_STATES, Review, Task, TaskState
from generator_service.store import queue_control, rows, statements
from generator_service.store.limits import Limits
from generator_service.store.queue_clock import QueueClock
from generator_service.store.tables import events, tasks, users
from generator_service.store.views import EventPage, Head, QueueCounts, QueueSnapshot, SnapshotPage, TaskPage

_RUN_TIMES = select(tasks.c.run_at).where(tasks.c.state == TaskState.PENDING.value)
_TERMINAL = [state.value for state in TERMINAL_STATES]
_LIVE = [state.value for state in TaskState if state not in TERMINAL_STATES]


def log_position(connection: Connection) -> Head:
    """Read the head of the whole log."""
    row = connection.execute(statements.LOG_HEAD).one()
    return Head(epoch=row.epoch, position=row.revision, compacted=row.compacted_revision)


def user_position(connection: Connection, user_id: str) -> Head:
    """Read the head of one user's log."""
    log = connection.execute(statements.LOG_HEAD).one()
    row = connection.execute(statements.USER, {"user_id": user_id}).one_or_none()
    if row is None or row.seq == 0:
        # Nothing has happened yet; the first event will have the next number after this one.
        return Head(epoch=log.epoch, position=log.forgotten_seq, compacted=log.forgotten_seq)
    return Head(epoch=log.epoch, position=row.seq, compacted=row.compacted_seq)


def get(connection: Connection, task_id: int, user_id: str | None) -> Task:
    """Read a task."""
    row = connection.execute(statements.TASK, {"task_id": task_id}).one_or_none()
    if row is None or (user_id is not None and row.user_id != user_id):
        raise TaskNotFound(task_id)
    return rows.task_from_row(row)


def inline_image(connection: Connection, key: str) -> bytes | None:
    """Read an image that is stored beside its task."""
    data: bytes | None = connection.execute(statements.IMAGE, {"key": key}).scalar_one_or_none()
    return data


def require_room(
    connection: Connection,
    user_id: str,
    idempotency_key: str | None,
    size_bytes: int,
    pictures: Sequence[Sequence[str]],
    limits: Limits,
) -> None:
    """Check whether a user may have another task; a known key, or stored results of all ``pictures``, stand for it."""
    user = connection.execute(statements.USER, {"user_id": user_id}).one_or_none()
    pending, stored = (0, 0) if user is None else (user.pending, user.stored_bytes)
    if idempotency_key is not None:
        keys = {"user_keys": [(user_id, idempotency_key)]}
        known = (statements.TASKS_BY_KEY, statements.TASKS_BY_REUSE_KEY)
        if any(connection.execute(statement, keys).first() is not None for statement in known):
            return
    if pictures and all(_has_result(connection, user_id, keys) for keys in pictures):
        return
    own = connection.execute(statements.USER_LIMITS, {"user_id": user_id}).one_or_none()
    if own is not None:
        limits = limits.of(rows.user_limits_from_row(own))
    limits.require(user_id, pending=pending, stored_bytes=stored + size_bytes)


def _has_result(connection: Connection, user_id: str, keys: Sequence[str]) -> bool:
    found = connection.execute(statements.TASK_BY_PICTURE, {"user_id": user_id, "picture_keys": keys})
    return found.first() is not None


def list_tasks(
    connection: Connection,
    user_id: str,
    *,
    states: Collection[TaskState],
    before: int | None,
    skip: int,
    limit: int,
    batch_id: str | None,
    review: Review | None,
) -> TaskPage:
    """Read a page of a user's tasks, newest first."""
    matching = [tasks.c.user_id == user_id, *_in_batch(batch_id)]
    if states:
        matching.append(tasks.c.state.in_([state.value for state in states]))
    if review is not None:
        completed = tasks.c.state == TaskState.COMPLETED.value
        # A null is equal to nothing, so `==` becomes IS NULL.
        matching += [completed, tasks.c.review == rows.review_value(review)]
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


def _in_batch(batch_id: str | None) -> list[ColumnElement[bool]]:
    # The condition of the partial index too, or it would not be found.
    return [] if batch_id is None else [tasks.c.batch_id.is_not(None), tasks.c.batch_id == batch_id]


def task_ids(
    connection: Connection, user_id: str, *, batch_id: str | None, before: int | None, limit: int
) -> list[int]:
    """Read the ids of a user's tasks, or of one batch, below ``before``, highest first."""
    wanted = select(tasks.c.task_id).where(tasks.c.user_id == user_id, *_in_batch(batch_id))
    if before is not None:
        wanted = wanted.where(tasks.c.task_id < before)
    return list(connection.execute(wanted.order_by(tasks.c.task_id.desc()).limit(limit)).scalars())


def batch(connection: Connection, user_id: str, batch_id: str) -> Batch:
    """Read a batch, and the number of its tasks by state."""
    named = {"batches": [(user_id, batch_id)]}
    row = connection.execute(statements.BATCHES, named).one_or_none()
    counts = {TaskState(each.state): each.tasks for each in connection.execute(statements.COUNT_BATCHES, named)}
    if row is None or not counts:
        raise BatchNotFound(batch_id)
    return rows.batch_from_row(row, counts)


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


def snapshot(connection: Connection, user_id: str | None, page_size: int) -> Iterator[SnapshotPage]:
    """Read the kept tasks of a user, or of all, oldest first, in pages; the first one even if there are none."""
    log = log_position(connection)
    head = log if user_id is None else user_position(connection, user_id)
    wanted = select(tasks).order_by(tasks.c.task_id)
    if user_id is not None:
        wanted = wanted.where(tasks.c.user_id == user_id)
    page = SnapshotPage(tasks=[], revision=log.position, head=head)
    # One statement, planned once: of a statement for each page, PostgreSQL may sort the remaining tasks each time.
    with connection.execute(wanted, execution_options={"yield_per": page_size}) as found:
        for part in found.partitions():
            yield (page := replace(page, tasks=[rows.task_from_row(row) for row in part]))
    if not page.tasks:
        yield page


def unfinished(connection: Connection) -> QueueSnapshot:
    """Read all tasks that are not terminal, and whose turn it is."""
    head = connection.execute(statements.LOG_HEAD).one()
    # By their names: an index serves these, and no condition that excludes the others.
    live = select(tasks).where(tasks.c.state.in_(_LIVE)).order_by(tasks.c.task_id)
    turns = select(users.c.user_id, users.c.served).where(
        or_(users.c.pending > 0, users.c.served > head.started - CREDIT)
    )
    return QueueSnapshot(
        tasks=[rows.task_from_row(row) for row in connection.execute(live)],
        revision=head.revision,
        started=head.started,
        served={row.user_id: row.served for row in connection.execute(turns)},
    )


def next_due(connection: Connection, clock: QueueClock, since: timedelta) -> timedelta | None:
    """Read how long until the next pending task is due that was not yet ``since`` ago."""
    now = clock.read(connection)
    next_run_at = connection.execute(
        _RUN_TIMES.where(tasks.c.run_at > now - since).order_by(tasks.c.run_at).limit(1)
    ).scalar_one_or_none()
    return None if next_run_at is None else next_run_at - now


def counts(connection: Connection) -> QueueCounts:
    """Count the queue."""
    by_state = connection.execute(select(tasks.c.state, func.count()).group_by(tasks.c.state)).all()
    return QueueCounts(by_state={TaskState(state): count for state, count in by_state})


def backlog(connection: Connection, clock: QueueClock, running_per_user: int, routing: Routing) -> Backlog:
    """Read whether a task could start, and how many each worker runs."""
    now = clock.read(connection)
    gates, limits = rows.breakers_and_limits(connection.execute(statements.BREAKERS))
    full = queue_control.full_engines(connection, limits, now)
    blocked = routing.bound_for(full, gates, now) | set(routing.blocked(gates, now))
    asked = {"now": now, "running_per_user": running_per_user, "blocked": list(blocked)}
    runnable = connection.execute(statements.ANY_RUNNABLE, asked)
    running = connection.execute(statements.RUNNING_BY_OWNER)
    return Backlog(runnable=runnable.first() is not None, running={row.lease_owner: row.tasks for row in running})


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
    return {key for named in statements.NAMED_BLOBS for key in connection.execute(named, asked).scalars()}


def breakers(connection: Connection) -> dict[str, Breaker]:
    """Read the breakers that were ever opened, by name."""
    return rows.breakers_and_limits(connection.execute(statements.BREAKERS))[0]
