"""Writes that change tasks, each a function of a unit of work: read, decide in the domain, write.

An operation validates its request before its first change (see `UnitOfWork`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from generator_service.domain import transitions
from generator_service.domain.breaker import BLOBS, Breaker, Outage, engine_breaker
from generator_service.domain.errors import (
    BatchClosed,
    EngineError,
    IdempotencyConflict,
    LeaseLost,
    TaskNotFound,
)
from generator_service.domain.event import EventType
from generator_service.domain.retry import RetryPolicy
from generator_service.domain.routing import WaitPolicy
from generator_service.domain.task import (
    TERMINAL_STATES,
    Lease,
    NewTask,
    ResultInfo,
    Review,
    Task,
    TaskError,
    TaskState,
    WaitReason,
)
from generator_service.domain.usage import Usage
from generator_service.store import image_records, rows, statements
from generator_service.store.contract import Beat, DeletedTasks, Enqueued, ReviewedTasks
from generator_service.store.limits import Limits
from generator_service.store.unit_of_work import UnitOfWork

WORKER_STOPPED = Outage(
    reason=WaitReason.WORKER_STOPPED, code="worker_stopped", message="the worker shut down; the task runs again"
)


def enqueue(uow: UnitOfWork, news: Sequence[NewTask], images: Mapping[str, bytes], limits: Limits) -> list[Enqueued]:
    """Store new tasks of one user, or find them by idempotency key or, where that is asked for, by picture.

    Either all are stored or, on an error, none. ``images`` are their small images by key.
    """
    known = [_known(uow, new) for new in news]
    fresh = [new for new, found in zip(news, known, strict=True) if found is None]
    if fresh:
        _require_room(uow, fresh, limits)
    enqueued: list[Enqueued] = []
    received = _received(uow, fresh)
    left = images
    for new, found in zip(news, known, strict=True):
        if found is None:
            task = uow.insert_task(transitions.create(new, task_id=0, at=uow.now, queue_time=uow.queue_time), new)
            uow.count_usage(new.user_id, received.pop(new.input.blob, Usage()))
            # The first one owns the images, which they share; see `UnitOfWork.delete_tasks`.
            uow.add_images(task, left)
            left = {}
            enqueued.append(Enqueued(task, deduplicated=False))
        else:
            if found.reused and new.idempotency_key is not None:
                uow.record_key(found.task, new.idempotency_key, new.fingerprint)
            enqueued.append(found)
    return enqueued


def _known(uow: UnitOfWork, new: NewTask) -> Enqueued | None:
    """Return the existing task for a request; None if there is none."""
    if new.idempotency_key is not None and (known := uow.task_by_key(new.user_id, new.idempotency_key)) is not None:
        task, fingerprint = known
        if fingerprint not in {new.fingerprint, *new.older_fingerprints}:
            raise IdempotencyConflict(new.idempotency_key, task.task_id)
        return Enqueued(task, deduplicated=True)
    if not new.reuse or new.picture_key is None:
        return None
    made = uow.query(
        statements.TASK_BY_PICTURE,
        {"user_id": new.user_id, "picture_keys": (new.picture_key, *new.older_picture_keys)},
    ).one_or_none()
    return None if made is None else Enqueued(rows.task_from_row(made), deduplicated=False, reused=True)


def _require_room(uow: UnitOfWork, fresh: Sequence[NewTask], limits: Limits) -> None:
    """Check that these new tasks of one user may be stored."""
    for new in fresh:
        if new.shares_input and (new.source_task_id is None or uow.task(new.source_task_id) is None):
            raise TaskNotFound(new.source_task_id or 0)
        if new.batch_id is not None and uow.batches.closed(new.user_id, new.batch_id):
            raise BatchClosed(new.batch_id)
    user = uow.users.counts(fresh[0].user_id)
    limits.of(uow.users.limits(fresh[0].user_id)).require(
        fresh[0].user_id,
        pending=user.pending + len(fresh) - 1,
        stored_bytes=user.stored_bytes + sum(new.input.stored_bytes for new in fresh),
    )


def _received(uow: UnitOfWork, fresh: Sequence[NewTask]) -> dict[str, Usage]:
    """Return the usage by photo for the photos and masks that arrive with new tasks, without stored ones."""
    received = {}
    for new in fresh:
        source = uow.task(new.source_task_id) if new.shares_input and new.source_task_id is not None else None
        stored = () if source is None else source.input.blobs
        mask = new.input.mask
        received[new.input.blob] = Usage(
            photos=int(new.input.blob not in stored),
            bytes_in=(new.input.size_bytes if new.input.blob not in stored else 0)
            + (mask.size_bytes if mask is not None and mask.blob not in stored else 0),
        )
    return received


def _renew_probes(uow: UnitOfWork, task_id: int, until: datetime) -> None:
    for name, breaker in uow.gates.breakers().items():
        if breaker.probe_task == task_id:
            uow.gates.change_breaker(name, partial(Breaker.renew_probe, task_id=task_id, until=until))


def heartbeat(uow: UnitOfWork, beats: Sequence[Beat], lease_for: timedelta) -> list[Lease]:
    """Prolong leases; return those that are lost."""
    lost = []
    for beat in beats:
        try:
            task = _held(uow, beat.lease, beat.usage)
        except LeaseLost:
            lost.append(beat.lease)
        else:
            expires = uow.queue_time + lease_for
            _renew_probes(uow, task.task_id, expires)
            uow.renew_task(replace(task, lease_expires_at=expires, progress=beat.percent, stage=beat.stage))
    return lost


def _held(uow: UnitOfWork, lease: Lease, usage: Usage | None = None) -> Task:
    """Return the task of a lease with the usage of its attempt up to now; None: that of the last heartbeat."""
    task = uow.task(lease.task_id)
    if (
        task is None
        or task.state is not TaskState.PROCESSING
        or task.lease_owner != lease.owner
        or task.attempt != lease.attempt
    ):
        raise LeaseLost(lease.task_id, lease.attempt)
    return task if usage is None else replace(task, attempt_usage=usage)


def complete(
    uow: UnitOfWork, lease: Lease, result: ResultInfo, images: Mapping[str, bytes], usage: Usage | None
) -> Task:
    """End a task with its picture; its engine and the image store evidently work."""
    task = _held(uow, lease, usage)
    # In queue time, as breakers are; a step of the wall clock since the start is no reason to doubt the success.
    began = uow.queue_time - max(timedelta(), uow.now - (task.started_at or uow.now))
    for name in (engine_breaker(result.engine), BLOBS):
        if name in uow.gates.breakers() and not uow.gates.breakers()[name].closed:
            uow.gates.change_breaker(name, partial(Breaker.succeed, began=began, task_id=task.task_id))
    uow.add_images(task, images)
    uow.count_usage(task.user_id, Usage(results=1, bytes_out=result.stored_bytes))
    return uow.update_task(task, EventType.COMPLETED, transitions.complete(task, result=result, at=uow.now))


def fail(uow: UnitOfWork, lease: Lease, failure: EngineError, policy: RetryPolicy, usage: Usage | None) -> Task:
    """End an attempt without a picture."""
    task = _held(uow, lease, usage)
    error = TaskError(code=failure.code, message=failure.message, retryable=failure.retryable)
    delay = policy.next_delay(task, failure)
    if delay is None:
        return uow.update_task(task, EventType.FAILED, transitions.fail(task, error=error, at=uow.now))
    after = transitions.retry(task, error=error, run_at=uow.queue_time + delay, at=uow.now)
    return uow.update_task(task, EventType.RETRYING, after)


def trip(uow: UnitOfWork, outage: Outage, waits: WaitPolicy) -> Mapping[str, Breaker]:
    """Open the breaker of an outage's dependency; return all breakers."""
    if outage.dependency is not None and outage.observed:
        uow.gates.change_breaker(
            outage.dependency, partial(Breaker.trip, outage=outage, now=uow.queue_time, policy=waits.reopen)
        )
    return uow.gates.breakers()


def snooze(uow: UnitOfWork, lease: Lease, outage: Outage, waits: WaitPolicy, usage: Usage | None) -> Task:
    """Give a task back that has to wait; no attempt is counted."""
    task = _held(uow, lease, usage)
    breaker = trip(uow, outage, waits).get(outage.dependency or "")
    error = TaskError(code=outage.code, message=outage.message, retryable=True)
    run_at = uow.queue_time if breaker is None else breaker.run_at(uow.queue_time)
    after = transitions.snooze(task, reason=outage.reason, error=error, run_at=run_at, at=uow.now, stage=outage.stage)
    return uow.update_task(task, EventType.SNOOZED, after)


def time_out(uow: UnitOfWork, lease: Lease, usage: Usage | None) -> Task:
    """End a task whose attempt ran too long."""
    task = _held(uow, lease, usage)
    return uow.update_task(task, EventType.TIMED_OUT, transitions.time_out(task, at=uow.now))


def release(uow: UnitOfWork, lease: Lease, waits: WaitPolicy, usage: Usage | None) -> Task:
    """Give a task back because its worker shuts down."""
    return snooze(uow, lease, WORKER_STOPPED, waits, usage)


def cancel(uow: UnitOfWork, task_id: int, user_id: str | None) -> Task:
    """Cancel a task."""
    task = uow.task(task_id)
    if task is None or (user_id is not None and task.user_id != user_id):
        raise TaskNotFound(task_id)
    if task.state is TaskState.CANCELLED:
        return task
    return uow.update_task(task, EventType.CANCELLED, transitions.cancel(task, at=uow.now))


def cancel_unfinished(uow: UnitOfWork, task_ids: Collection[int]) -> None:
    """Cancel those of these tasks that have not ended."""
    for task in uow.read_tasks(task_ids):
        if not task.state.terminal:
            uow.update_task(task, EventType.CANCELLED, transitions.cancel(task, at=uow.now))


def delete_tasks(uow: UnitOfWork, task_ids: Collection[int], user_id: str | None) -> DeletedTasks:
    """Delete tasks; those that have not ended are cancelled first."""
    found = [task for task in uow.read_tasks(dict.fromkeys(task_ids)) if user_id in {None, task.user_id}]
    ended = [
        task
        if task.state.terminal
        else uow.update_task(task, EventType.CANCELLED, transitions.cancel(task, at=uow.now))
        for task in found
    ]
    uow.delete_tasks(ended)
    images = image_records.request_deletion(uow, ended)
    return DeletedTasks(task_ids=[task.task_id for task in ended], images=images)


def review_tasks(uow: UnitOfWork, task_ids: Collection[int], user_id: str | None, review: Review) -> ReviewedTasks:
    """Record a decision on results; those that already have it are left unchanged."""
    found = [task for task in uow.read_tasks(task_ids) if user_id in {None, task.user_id}]
    finished = [task for task in found if task.state is TaskState.COMPLETED]
    for task in finished:
        if task.review is not review:
            uow.update_task(task, EventType.REVIEWED, transitions.review(task, review=review, at=uow.now))
    return ReviewedTasks(
        task_ids=[task.task_id for task in finished],
        unfinished=[task.task_id for task in found if task.state is not TaskState.COMPLETED],
    )


def requeue_expired(uow: UnitOfWork, alive: Sequence[Beat], lease_for: timedelta, waits: WaitPolicy) -> list[Task]:
    """Take tasks from workers whose leases ran out, after prolonging those of the worker that is ``alive``.

    Both by one reading of the clock: however long this process was frozen, and wherever, it takes nothing from itself.
    """
    heartbeat(uow, alive, lease_for)
    # Users whom another process is changing are left to the next time.
    held = set(uow.users.adopt(uow.query(statements.USERS_OF_EXPIRED, {"now": uow.queue_time})))
    expired = uow.query(statements.EXPIRED, {"now": uow.queue_time}).all() if held else ()
    requeued = []
    for task in uow.read_tasks([row.task_id for row in expired if row.user_id in held]):
        if task.lost_leases + 1 >= waits.lost_leases:
            requeued.append(uow.update_task(task, EventType.FAILED, transitions.lose(task, at=uow.now)))
            continue
        error = TaskError(
            code="lease_lost",
            message=f"the worker of attempt {task.attempt} was lost; the task runs again",
            retryable=True,
        )
        after = transitions.snooze(task, reason=WaitReason.LEASE_LOST, error=error, run_at=uow.queue_time, at=uow.now)
        requeued.append(uow.update_task(task, EventType.SNOOZED, after))
    return requeued


def end_overdue(uow: UnitOfWork) -> list[Task]:
    """End tasks that still wait at their deadline."""
    held = set(uow.users.adopt(uow.query(statements.USERS_OF_OVERDUE, {"now": uow.queue_time})))
    overdue = uow.query(statements.OVERDUE, {"now": uow.queue_time}).all() if held else ()
    return [
        uow.update_task(task, EventType.FAILED, transitions.miss_deadline(task, at=uow.now))
        for task in uow.read_tasks([row.task_id for row in overdue if row.user_id in held])
    ]


def probe(uow: UnitOfWork) -> None:
    """Write something that changes nothing."""
    uow.touch()


def renew_epoch(uow: UnitOfWork, seen: str) -> None:
    """Give the log a new epoch, unless another process did so first."""
    uow.renew_log(seen)


def forget(uow: UnitOfWork, task_ids: Collection[int]) -> None:
    """Delete terminal tasks without an event."""
    terminal = [task for task in uow.read_tasks(task_ids) if task.state in TERMINAL_STATES]
    uow.forget_tasks(terminal)
    image_records.request_deletion(uow, terminal)
