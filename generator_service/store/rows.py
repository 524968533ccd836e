"""Between rows and the domain's values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import Row

from generator_service.domain.batch import Batch
from generator_service.domain.breaker import Breaker, is_pause
from generator_service.domain.engine_limit import EngineLimit
from generator_service.domain.event import EventType, TaskEvent
from generator_service.domain.routing import request_of
from generator_service.domain.task import InputInfo, Review, Task, TaskError, TaskState, WaitReason
from generator_service.domain.task_options import Engine, TaskOptions
from generator_service.domain.transitions import DELETED
from generator_service.domain.usage import Usage
from generator_service.store.limits import UserLimits
from generator_service.store.older_results import RESULT, TASK, result_from_json, stored_json, task_from_json

_OPTIONS = TypeAdapter(TaskOptions)
_INPUT = TypeAdapter(InputInfo)
_ERROR = TypeAdapter(TaskError)
_BATCH = TypeAdapter(Batch)
_USAGE = TypeAdapter(Usage)
_MICROSECOND = timedelta(microseconds=1)
_AS_OLDER = {
    EventType.SNOOZED: EventType.RETRYING,
    EventType.DELETED: EventType.CANCELLED,
    EventType.UPDATED: EventType.CREATED,
    EventType.REVIEWED: EventType.COMPLETED,
}
"""The types that rows name in place of those unknown to older releases; the task of the event distinguishes them."""
_OF_END = {
    TaskState.COMPLETED: EventType.COMPLETED,
    TaskState.FAILED: EventType.FAILED,
    TaskState.TIMEOUT: EventType.TIMED_OUT,
    TaskState.CANCELLED: EventType.CANCELLED,
}
AT_ONCE = datetime(1970, 1, 1, tzinfo=UTC)
"""``run_at`` of a pending task that has none: releases before 0006 claim only tasks that have one."""


def task_values(task: Task) -> dict[str, Any]:
    """Columns of a new task's row, but for those that only the request knows."""
    return {
        "task_id": task.task_id,
        "user_id": task.user_id,
        "options": stored_json(_OPTIONS, task.options),
        "input": _INPUT.dump_json(task.input).decode(),
        "timeout_us": task.timeout // _MICROSECOND,
        "max_attempts": task.max_attempts,
        "created_at": task.created_at,
        "engine": request_of(task),
        "deadline": task.deadline,
        "source_task_id": task.source_task_id,
        "batch_id": task.batch_id,
        **changing_values(task),
    }


def changing_values(task: Task) -> dict[str, Any]:
    """Columns that a transition may change."""
    return {
        "state": task.state.value,
        "seq": task.seq,
        "attempt": task.attempt,
        "updated_at": task.updated_at,
        "run_at": AT_ONCE if task.state is TaskState.PENDING and task.run_at is None else task.run_at,
        "started_at": task.started_at,
        "finished_at": task.finished_at,
        "priority": task.priority,
        "lease_owner": task.lease_owner,
        "assigned_engine": None if task.assigned_engine is None else task.assigned_engine.value,
        "lease_expires_at": task.lease_expires_at,
        "progress": task.progress,
        "stage": task.stage,
        "result": None if task.result is None else stored_json(RESULT, task.result),
        "error": None if task.error is None else _ERROR.dump_json(task.error).decode(),
        "wait_reason": None if task.wait_reason is None else task.wait_reason.value,
        "failures": task.failures,
        "lost_leases": task.lost_leases,
        "review": review_value(task.review),
        "attempt_usage": None if task.attempt_usage is None else _USAGE.dump_json(task.attempt_usage).decode(),
    }


def task_from_row(row: Row[Any]) -> Task:
    """Read a task from a row of the tasks table."""
    return Task(
        task_id=row.task_id,
        user_id=row.user_id,
        state=TaskState(row.state),
        options=_options_from_json(row.options),
        input=_INPUT.validate_json(row.input),
        priority=row.priority,
        timeout=row.timeout_us * _MICROSECOND,
        max_attempts=row.max_attempts,
        created_at=row.created_at,
        updated_at=row.updated_at,
        seq=row.seq,
        attempt=row.attempt,
        run_at=None if row.run_at == AT_ONCE else row.run_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
        lease_owner=row.lease_owner,
        assigned_engine=None if row.assigned_engine is None else Engine(row.assigned_engine),
        lease_expires_at=row.lease_expires_at,
        progress=row.progress,
        stage=row.stage,
        result=None if row.result is None else result_from_json(row.result),
        error=None if row.error is None else _ERROR.validate_json(row.error),
        deadline=row.deadline,
        wait_reason=None if row.wait_reason is None else WaitReason(row.wait_reason),
        failures=row.failures,
        lost_leases=row.lost_leases,
        source_task_id=row.source_task_id,
        batch_id=row.batch_id,
        review=Review.OPEN if row.review is None else Review(row.review),
        attempt_usage=None if row.attempt_usage is None else _USAGE.validate_json(row.attempt_usage),
    )


@lru_cache(maxsize=256)
def _options_from_json(stored: str) -> TaskOptions:
    """Read options; those of most tasks of a user are the same."""
    return _OPTIONS.validate_json(stored)


def review_value(review: Review) -> str | None:
    """Return the column of a decision."""
    return None if review is Review.OPEN else review.value


def event_values(event: TaskEvent) -> dict[str, Any]:
    """Columns of an event's row."""
    return {
        "revision": event.revision,
        "user_id": event.user_id,
        "seq": event.seq,
        "task_id": event.task.task_id,
        "type": _stored_type(event).value,
        "occurred_at": event.occurred_at,
        "task": stored_json(TASK, event.task),
        "batch": None if event.batch is None else _BATCH.dump_json(event.batch).decode(),
    }


def _stored_type(event: TaskEvent) -> EventType:
    """Return the type that an event's row names: one that older releases know, and that fits the event's task."""
    if event.type is EventType.BATCH_FINISHED:
        return _OF_END[event.task.state]
    return _AS_OLDER.get(event.type, event.type)


def event_from_row(row: Row[Any]) -> TaskEvent:
    """Read an event from a row of the events table."""
    task = task_from_json(row.task)
    if row.batch is not None:
        batch = _BATCH.validate_json(row.batch)
        return TaskEvent(revision=row.revision, type=EventType.BATCH_FINISHED, task=task, batch=batch)
    return TaskEvent(revision=row.revision, type=_event_type(row.type, task), task=task)


def batch_from_row(row: Row[Any], counts: Mapping[TaskState, int]) -> Batch:
    """Read a batch from a row of the batches table, and the number of its tasks by state."""
    return Batch(
        user_id=row.user_id,
        batch_id=row.batch_id,
        created_at=row.created_at,
        closed=row.closed,
        finished_at=row.finished_at,
        counts=counts,
    )


def _event_type(stored: str, task: Task) -> EventType:
    if stored == EventType.CREATED and task.updated_at > task.created_at:
        return EventType.UPDATED
    if stored == EventType.COMPLETED and task.finished_at is not None and task.updated_at > task.finished_at:
        return EventType.REVIEWED
    if task.wait_reason is not None:
        return EventType.SNOOZED
    if task.error is not None and task.error.code == DELETED:
        return EventType.DELETED
    return EventType(stored)


def breaker_values(breaker: Breaker) -> dict[str, Any]:
    """Columns of a breaker's row, but for its name."""
    return {
        # Older releases don't know this reason; the name of the row implies it.
        "reason": None if breaker.reason in {None, WaitReason.PAUSED} else breaker.reason.value,
        "code": breaker.code,
        "message": breaker.message,
        "failing_since": breaker.failing_since,
        "opened_at": breaker.opened_at,
        "open_until": breaker.open_until,
        "trips": breaker.trips,
        "lasting": breaker.lasting,
        "probe_task": breaker.probe_task,
        "probe_until": breaker.probe_until,
    }


def breaker_from_row(row: Row[Any]) -> Breaker:
    """Read a breaker from a row of the breakers table."""
    reason = None if row.reason is None else WaitReason(row.reason)
    if is_pause(row.name) and row.open_until is not None:
        reason = WaitReason.PAUSED
    return Breaker(
        name=row.name,
        reason=reason,
        code=row.code,
        message=row.message,
        failing_since=row.failing_since,
        opened_at=row.opened_at,
        open_until=row.open_until,
        trips=row.trips,
        lasting=row.lasting,
        probe_task=row.probe_task,
        probe_until=row.probe_until,
    )


_LIMIT_PREFIX = "limit:"
"""Names of the rows of the breakers table that hold an engine's limit."""


def limit_name(engine: Engine) -> str:
    """Return the name of the row of an engine's limit."""
    return f"{_LIMIT_PREFIX}{engine.value}"


def limit_values(limit: EngineLimit) -> dict[str, Any]:
    """Columns of an engine limit's row, but for its name."""
    return {"max_running": limit.max_running, "per_minute": limit.per_minute, "open_until": limit.next_start}


def limit_from_row(row: Row[Any]) -> EngineLimit:
    """Read an engine's limit from a row of the breakers table."""
    return EngineLimit(
        engine=Engine(row.name.removeprefix(_LIMIT_PREFIX)),
        max_running=row.max_running,
        per_minute=row.per_minute,
        next_start=row.open_until,
    )


def breakers_and_limits(found: Iterable[Row[Any]]) -> tuple[dict[str, Breaker], dict[Engine, EngineLimit]]:
    """Read the rows of the breakers table: the breakers by name, and the limits by engine."""
    breakers: dict[str, Breaker] = {}
    limits: dict[Engine, EngineLimit] = {}
    for row in found:
        if row.name.startswith(_LIMIT_PREFIX):
            limit = limit_from_row(row)
            limits[limit.engine] = limit
        else:
            breakers[row.name] = breaker_from_row(row)
    return breakers, limits


def user_limits_from_row(row: Row[Any]) -> UserLimits:
    """Read a user's own limits."""
    return UserLimits(pending=row.max_pending, running=row.max_running, stored_bytes=row.max_stored_bytes)
