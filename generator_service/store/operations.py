"""Every write, as a function of a unit of work: read, decide in the domain, write.

An operation raises what is wrong with the request before its first change (see `UnitOfWork`).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import and_, delete, func, select, update

from generator_service.domain import transitions
from generator_service.domain.errors import (
    EngineError,
    IdempotencyConflict,
    LeaseLost,
    QuotaExceeded,
    TaskNotFound,
)
from generator_service.domain.event import EventType
from generator_service.domain.retry import RetryPolicy
from generator_service.domain.task import TERMINAL_STATES, Lease, NewTask, ResultInfo, Task, TaskError, TaskState
from generator_service.store import rows, statements
from generator_service.store.contract import Beat, Enqueued, Limits, Retention
from generator_service.store.tables import events, tasks, users
from generator_service.store.unit_of_work import UnitOfWork

COMPACT_CHUNK = 1000


def enqueue(uow: UnitOfWork, new: NewTask, limits: Limits) -> Enqueued:
    """Store a new task, or find it by its idempotency key or, where that is asked for, by its picture."""
    if new.idempotency_key is not None and (known := uow.task_by_key(new.user_id, new.idempotency_key)) is not None:
        task, fingerprint = known
        if fingerprint != new.fingerprint:
            raise IdempotencyConflict(new.idempotency_key, task.task_id)
        return Enqueued(task, deduplicated=True)
    if new.reuse:
        made = uow.query(
            statements.TASK_BY_PICTURE, {"user_id": new.user_id, "picture_key": new.picture_key}
        ).one_or_none()
        if made is not None:
            return Enqueued(rows.task_from_row(made), deduplicated=False, reused=True)
    if uow.user(new.user_id).pending >= limits.pending_per_user:
        raise QuotaExceeded(new.user_id, limits.pending_per_user, limits.retry_after)
    task = uow.insert_task(
        transitions.create(new, task_id=0, at=uow.now),
        idempotency_key=new.idempotency_key,
        fingerprint=new.fingerprint,
        picture_key=new.picture_key,
    )
    return Enqueued(task, deduplicated=False)


def claim(uow: UnitOfWork, owner: str, limit: int, lease_for: timedelta, limits: Limits) -> list[Task]:
    """Start up to ``limit`` tasks for a worker."""
    claimed: list[Task] = []
    runnable = {"now": uow.now, "running_per_user": limits.running_per_user}
    more = True
    while more and (left := limit - len(claimed)):
        found = uow.query(statements.NEXT, runnable | {"at_most": left}).all()
        if not found:
            break
        uow.adopt_users(found)
        # Equals go together. The others wait for the next look: a user's second task may come before their first.
        equals = [row for row in found if (row.priority, row.running) == (found[0].priority, found[0].running)]
        for task in uow.read_tasks([row.task_id for row in equals]):
            started = transitions.start(task, owner=owner, lease_for=lease_for, at=uow.now)
            claimed.append(uow.update_task(task, EventType.STARTED, started))
        more = len(found) == left or any(uow.user(row.user_id).pending for row in found)
    return claimed


def heartbeat(uow: UnitOfWork, beats: Sequence[Beat], lease_for: timedelta) -> list[Lease]:
    """Prolong leases; return those that are lost."""
    lost = []
    for beat in beats:
        try:
            task = _held(uow, beat.lease)
        except LeaseLost:
            lost.append(beat.lease)
        else:
            uow.renew_task(replace(task, lease_expires_at=uow.now + lease_for, progress=beat.percent, stage=beat.stage))
    return lost


def _held(uow: UnitOfWork, lease: Lease) -> Task:
    task = uow.task(lease.task_id)
    if (
        task is None
        or task.state is not TaskState.PROCESSING
        or task.lease_owner != lease.owner
        or task.attempt != lease.attempt
    ):
        raise LeaseLost(lease.task_id, lease.attempt)
    return task


def complete(uow: UnitOfWork, lease: Lease, result: ResultInfo) -> Task:
    """End a task with its picture."""
    task = _held(uow, lease)
    return uow.update_task(task, EventType.COMPLETED, transitions.complete(task, result=result, at=uow.now))


def fail(uow: UnitOfWork, lease: Lease, failure: EngineError, policy: RetryPolicy) -> Task:
    """End an attempt without a picture."""
    task = _held(uow, lease)
    error = TaskError(code=failure.code, message=failure.message, retryable=failure.retryable)
    delay = policy.next_delay(task, failure)
    if delay is None:
        return uow.update_task(task, EventType.FAILED, transitions.fail(task, error=error, at=uow.now))
    after = transitions.retry(task, error=error, run_at=uow.now + delay, at=uow.now)
    return uow.update_task(task, EventType.RETRYING, after)


def time_out(uow: UnitOfWork, lease: Lease) -> Task:
    """End a task whose attempt ran too long."""
    task = _held(uow, lease)
    return uow.update_task(task, EventType.TIMED_OUT, transitions.time_out(task, at=uow.now))


def release(uow: UnitOfWork, lease: Lease) -> Task:
    """Give a task back unfinished."""
    task = _held(uow, lease)
    error = TaskError(code="worker_stopped", message="the worker shut down; the task runs again", retryable=True)
    after = transitions.retry(task, error=error, run_at=uow.now, at=uow.now)
    return uow.update_task(task, EventType.RETRYING, after)


def cancel(uow: UnitOfWork, task_id: int, user_id: str | None) -> Task:
    """Cancel a task."""
    task = uow.task(task_id)
    if task is None or (user_id is not None and task.user_id != user_id):
        raise TaskNotFound(task_id)
    if task.state is TaskState.CANCELLED:
        return task
    return uow.update_task(task, EventType.CANCELLED, transitions.cancel(task, at=uow.now))


def requeue_expired(uow: UnitOfWork) -> list[Task]:
    """Take tasks from workers whose leases ran out."""
    # Users whom another process is changing are left to the next time.
    held = set(uow.adopt_users(uow.query(statements.USERS_OF_EXPIRED, {"now": uow.now})))
    expired = uow.query(statements.EXPIRED, {"now": uow.now}).all() if held else ()
    requeued = []
    for task in uow.read_tasks([row.task_id for row in expired if row.user_id in held]):
        last = task.attempt >= task.max_attempts
        what_now = f"it was the last of {task.max_attempts}" if last else "it runs again"
        error = TaskError(
            code="lease_lost",
            message=f"the worker of attempt {task.attempt} was lost; {what_now}",
            retryable=True,
        )
        if last:
            after = transitions.fail(task, error=error, at=uow.now)
        else:
            after = transitions.retry(task, error=error, run_at=uow.now, at=uow.now)
        requeued.append(uow.update_task(task, EventType.FAILED if last else EventType.RETRYING, after))
    return requeued


def compact(uow: UnitOfWork, retention: Retention) -> int:
    """Delete a chunk of events that need not be kept; return how many. Zero means that nothing is left to do."""
    cutoff = uow.now - retention.events_for
    candidates = uow.query(
        select(users.c.user_id)
        .where(users.c.seq - users.c.compacted_seq > retention.events_per_user)
        .order_by(users.c.user_id)
    ).scalars()
    deleted = 0
    for user_id in candidates.all():
        # One whom another process is changing is left to the next time.
        free = uow.query(statements.FREE_USER, {"user_id": user_id}).one_or_none()
        if free is None:
            continue
        deleted += _compact_user(uow, user_id, free.seq - retention.events_per_user, cutoff, COMPACT_CHUNK - deleted)
        if deleted >= COMPACT_CHUNK:
            break
    return deleted


def _compact_user(uow: UnitOfWork, user_id: str, through: int, cutoff: datetime, limit: int) -> int:
    of_user = and_(events.c.user_id == user_id, events.c.seq <= through)
    # Only a whole prefix may go: what is above ``compacted_seq`` is all there.
    first_kept = uow.query(select(func.min(events.c.seq)).where(of_user, events.c.occurred_at >= cutoff)).scalar_one()
    if first_kept is not None:
        of_user = and_(of_user, events.c.seq < first_kept)
    oldest = select(events.c.revision, events.c.seq).where(of_user).order_by(events.c.seq).limit(limit)
    doomed = uow.query(oldest).all()
    if not doomed:
        return 0
    revisions = [row.revision for row in doomed]
    uow.query(delete(events).where(events.c.revision.in_(revisions)))
    uow.query(update(users).where(users.c.user_id == user_id).values(compacted_seq=max(row.seq for row in doomed)))
    uow.compacted(max(revisions))
    return len(doomed)


def forget(uow: UnitOfWork, task_ids: Collection[int]) -> None:
    """Delete terminal tasks."""
    uow.query(
        delete(tasks).where(
            tasks.c.task_id.in_(task_ids), tasks.c.state.in_([state.value for state in TERMINAL_STATES])
        )
    )
    uow.forgotten(task_ids)
